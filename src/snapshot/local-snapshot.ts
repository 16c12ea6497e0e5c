/**
 * How a snapshot lies on a host, before and after it travels.
 *
 * Memory is a *page map* over page files; disks are chains of immutable layers. Both are shared between snapshots and VMs
 * of this host by name, and removed when no snapshot and no VM names them any more.
 */

/** A snapshot's memory: which page is where. */
export interface MemoryImage {
  /** Path of the encoded page map (`page-map.ts`). */
  readonly mapPath: string;
  /** Page files that the map names, by uuid: `BLOBS/UUID.pages`. */
  readonly pageFiles: readonly string[];
  /**
   * The page file that holds the whole memory, each page at its own place, zeros as holes: it can be mapped by a VMM as it
   * is. Null until one was made (`materializeMemory`).
   */
  readonly mappable: string | null;
}

/** One file of a disk's chain: `raw` at the bottom, `qcow2` above; the file is `BLOBS/UUID.raw` or `BLOBS/UUID.qcow2`. */
export interface DiskLayer {
  readonly id: string;
  readonly format: 'raw' | 'qcow2';
  /** The disk's size as the guest sees it. */
  readonly sizeBytes: number;
}

/** The path of a page file. */
export function pageFilePath(blobDirectory: string, id: string): string {
  return `${blobDirectory}/${id}.pages`;
}

/** The path of a disk layer. */
export function diskLayerPath(blobDirectory: string, layer: DiskLayer): string {
  return `${blobDirectory}/${layer.id}.${layer.format}`;
}
