/** Where things lie under `KELPIE_HOME`; the map is in docs/ARCHITECTURE.md. Paths only: nothing is made here. */
export class HostPlaces {
  readonly home: string;

  /** @param home absolute path of `KELPIE_HOME`. */
  constructor(home: string) {
    this.home = home;
  }

  get hostFile(): string {
    return `${this.home}/host.json`;
  }
  get imageDirectory(): string {
    return `${this.home}/images`;
  }
  get vmsDirectory(): string {
    return `${this.home}/vms`;
  }
  get blobDirectory(): string {
    return `${this.home}/blobs`;
  }
  get runsDirectory(): string {
    return `${this.home}/run`;
  }
  get operationsDirectory(): string {
    return `${this.home}/operations`;
  }
  /** What was found out about this host and can be found out again. */
  get cacheDirectory(): string {
    return `${this.home}/cache`;
  }
  /** Packages on their way here (`download.ts`). */
  get downloadsDirectory(): string {
    return `${this.home}/downloads`;
  }
  /** What of this host's files is in which store, by the store's id (`place-files.ts`). */
  get placesDirectory(): string {
    return `${this.home}/places`;
  }
  get temporaryDirectory(): string {
    return `${this.home}/tmp`;
  }

  places(storeId: string): string {
    return `${this.placesDirectory}/${storeId}`;
  }
  download(packageId: string): string {
    return `${this.downloadsDirectory}/${packageId}`;
  }
  vmDirectory(vmId: string): string {
    return `${this.vmsDirectory}/${vmId}`;
  }
  vmRecord(vmId: string): string {
    return `${this.vmDirectory(vmId)}/vm.json`;
  }
  /** Which fuse of the VM's lease is in force (`lease-fuse.ts`). */
  leaseFuse(vmId: string): string {
    return `${this.vmDirectory(vmId)}/lease`;
  }
  snapshotsDirectory(vmId: string): string {
    return `${this.vmDirectory(vmId)}/snapshots`;
  }
  snapshotDirectory(vmId: string, snapshotId: string): string {
    return `${this.snapshotsDirectory(vmId)}/${snapshotId}`;
  }
  /** Short, since the paths of Unix sockets in it may have 107 bytes at most. */
  runDirectory(vmId: string): string {
    return `${this.runsDirectory}/${vmId.replaceAll('-', '').slice(0, 12)}`;
  }
  operation(operationId: string): string {
    return `${this.operationsDirectory}/${operationId}.json`;
  }
}
