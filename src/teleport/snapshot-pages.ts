/** The memory and the disk of a snapshot of this host, as they lie in its files: what a store publishes. */
import { defined } from '../base/assert.ts';
import { diskLayerPath, pageFilePath } from '../snapshot/local-snapshot.ts';
import { attemptLocally } from '../snapshot/local-failure.ts';
import { readPageMap } from '../snapshot/read-page-map.ts';
import type { LocalSnapshot } from '../snapshot/local-snapshots.ts';
import type { LocalPages } from '../store/teleport-storage.ts';
import type { TeleportHost } from './teleport-host.ts';

export interface SnapshotPages {
  readonly memory: LocalPages;
  readonly disk: LocalPages;
}

/** @throws KelpieError `snapshot_corrupt`, `io_failed`, `backend_unavailable`, `canceled`. */
export async function snapshotPages(
  host: Pick<TeleportHost, 'env' | 'places' | 'disks'>,
  snapshot: Pick<LocalSnapshot, 'memory' | 'disk'>,
  signal: AbortSignal,
): Promise<SnapshotPages> {
  const { blobDirectory } = host.places;
  const map = await attemptLocally('read the memory of the snapshot', () =>
    readPageMap(host.env, snapshot.memory.mapPath),
  );
  const layers = new Map(snapshot.disk.map((layer) => [layer.id, layer]));
  return {
    memory: { map, pathOf: (id) => pageFilePath(blobDirectory, id) },
    disk: {
      map: await host.disks.pageMap(snapshot.disk, signal),
      pathOf: (id) => diskLayerPath(blobDirectory, defined(layers.get(id), 'the layer of a run')),
    },
  };
}
