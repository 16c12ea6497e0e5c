/** Records of this host as the API tells them. */
import { diskLayerPath, pageFilePath } from '../snapshot/local-snapshot.ts';
import type { LocalSnapshot, SnapshotListing } from '../snapshot/local-snapshots.ts';
import type { Captured } from '../teleport/capture.ts';
import type { ManagedVm } from '../teleport/managed-vm.ts';
import { isPausedByLease } from '../teleport/vm-record.ts';
import type { Departure, VmRecord } from '../teleport/vm-record.ts';
import type { DamagedVm } from '../teleport/vm-registry.ts';
import type { SnapshotCreated, SnapshotView } from './api/snapshots.ts';
import type { VmDetail, VmView } from './api/vms.ts';
import type { Supervisor } from './supervisor.ts';

export function viewVm(supervisor: Supervisor, vm: ManagedVm): VmView {
  const { record } = vm;
  const { config, departed, forkedFrom } = record;
  return {
    id: record.id,
    name: config.name,
    state: departed === null ? record.state : 'departed',
    reason: record.reason,
    busy: supervisor.busy(record.id),
    architecture: config.architecture,
    vcpuCount: config.vcpuCount,
    memoryMib: config.memoryMib,
    diskMib: config.diskMib,
    image: config.image,
    portability: config.portability,
    publish: config.publish,
    createdAtUnixMs: record.createdAtUnixMs,
    startedAtUnixMs: record.startedAtUnixMs,
    generation: record.generation,
    snapshotId: record.snapshotId,
    departed: departed === null ? null : departedView(departed),
    lease: leaseView(record),
    forkedFrom: forkedFrom === null ? null : { vmId: forkedFrom.vmId, vmName: forkedFrom.vmName },
    machine: record.runtime?.machine ?? null,
  };
}

function departedView({ storeUrl, packageId, reclaimedBy }: Departure): VmView['departed'] {
  return { storeUrl, packageId, reclaimedBy };
}

function leaseView(record: VmRecord): VmView['lease'] {
  const { ownership } = record;
  if (ownership === null || ownership.leaseMs === null) return null;
  const { storeUrl, leaseMs } = ownership;
  return { storeUrl, durationMs: leaseMs, isPaused: isPausedByLease(record) };
}

/** A VM whose record cannot be read: all that is known is that it is there. */
export function viewDamaged(supervisor: Supervisor, { id, reason }: DamagedVm): VmView {
  return {
    id,
    name: id,
    state: 'damaged',
    reason,
    busy: supervisor.busy(id),
    architecture: supervisor.host.env.host.architecture,
    vcpuCount: 0,
    memoryMib: 0,
    diskMib: 0,
    image: { name: '', version: '', digest: '' },
    portability: 'arch',
    publish: [],
    createdAtUnixMs: 0,
    startedAtUnixMs: null,
    generation: 0,
    snapshotId: null,
    departed: null,
    lease: null,
    forkedFrom: null,
    machine: null,
  };
}

export function viewDetail(supervisor: Supervisor, vm: ManagedVm): VmDetail {
  const { places } = supervisor.host;
  const { runtime, disk, ownership } = vm.record;
  const mapped = runtime?.memory?.mappable ?? null;
  return {
    ...viewVm(supervisor, vm),
    pid: runtime?.process.pid ?? null,
    ownership: ownership === null ? null : { storeUrl: ownership.storeUrl, epoch: ownership.epoch },
    files: {
      record: places.vmRecord(vm.id),
      runDirectory: places.runDirectory(vm.id),
      memory: mapped === null ? null : pageFilePath(places.blobDirectory, mapped),
      disk: disk.map((layer) => diskLayerPath(places.blobDirectory, layer)),
    },
  };
}

/** A snapshot that was just taken. */
export function viewCaptured({ snapshot, timings }: Captured): SnapshotCreated {
  const { dirtyBytes: _, ...durations } = timings;
  return { snapshot: viewSnapshot(snapshot), timings: durations };
}

export function viewSnapshot({ metadata, dirtyBytes, pauseMs }: LocalSnapshot): SnapshotView {
  const { snapshotId, vmId, parentId, kind, message, createdAtUnixMs } = metadata;
  return {
    id: snapshotId,
    vmId,
    parentId,
    kind,
    message,
    createdAtUnixMs,
    dirtyBytes,
    pauseMs,
    damaged: null,
  };
}

export function viewListing(vmId: string, listing: SnapshotListing): SnapshotView {
  if (!listing.damaged) return viewSnapshot(listing.snapshot);
  return {
    id: listing.id,
    vmId,
    parentId: null,
    kind: 'suspend',
    message: '',
    createdAtUnixMs: 0,
    dirtyBytes: 0,
    pauseMs: 0,
    damaged: listing.reason,
  };
}
