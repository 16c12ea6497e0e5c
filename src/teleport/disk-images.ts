/** What teleports need of a disk's chain of layers; how layers look inside is the implementation's business (`qemu-disk-images.ts`). */
import type { DiskLayer } from '../snapshot/local-snapshot.ts';

/** A stretch of the disk that may hold something else than zeros, and where its bytes are. */
export interface DiskExtent {
  /** On the disk as the guest sees it, in bytes; extents are ascending and do not overlap. */
  readonly offset: number;
  readonly length: number;
  readonly path: string;
  readonly sourceOffset: number;
}

export interface DiskImages {
  /** Everything of a frozen chain that is not known to be zero. All offsets and lengths are multiples of 4 KiB. */
  readExtents(layers: readonly DiskLayer[], signal?: AbortSignal): Promise<readonly DiskExtent[]>;
}
