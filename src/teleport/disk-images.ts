/** What teleports need of a disk's chain of layers; how layers look inside is the implementation's business (`qemu-disk-images.ts`). */
import type { DiskLayer } from '../snapshot/local-snapshot.ts';
import type { PageMap } from '../snapshot/page-map.ts';

export interface DiskImages {
  /**
   * Where each page of the disk that a frozen chain makes is, by the id of its layer and the place in that layer's file; pages that are
   * known to be zero are in no run. @throws KelpieError `snapshot_corrupt`, `backend_unavailable`, `canceled`.
   */
  pageMap(layers: readonly DiskLayer[], signal?: AbortSignal): Promise<PageMap>;
}
