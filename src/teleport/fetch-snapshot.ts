/** A package's snapshot brought to this host: as good as one that was taken here, its memory ready to be mapped. */
import { MIB, PAGE_BYTES } from '../base/units.ts';
import { attemptLocally } from '../snapshot/local-failure.ts';
import { diskLayerPath, pageFilePath } from '../snapshot/local-snapshot.ts';
import { PageMap } from '../snapshot/page-map.ts';
import { Download } from './download.ts';
import { LocalPagesOfStore } from './local-page-files.ts';
import { placesIn } from './place-files.ts';
import { rememberPackage } from './published-as.ts';
import type { Bytes } from '../base/bytes.ts';
import type { DiskLayer } from '../snapshot/local-snapshot.ts';
import type { LocalSnapshot } from '../snapshot/local-snapshots.ts';
import type { SnapshotMetadata } from '../snapshot/metadata.ts';
import type { StoreMap } from '../store/packages/store-map.ts';
import type { LocalPageFiles, OpenPackage, TransferOptions } from '../store/teleport-storage.ts';
import type { OperationOptions } from './source.ts';
import type { TeleportHost } from './teleport-host.ts';

export interface FetchedSnapshot {
  readonly snapshot: LocalSnapshot;
  /** What was moved for it; less than it is when a download went on, or pages are shared. */
  readonly downloadedBytes: number;
  /** Kept until it is told to `forget`, for the next try. */
  readonly download: Download;
}

/**
 * Fetches, checks and makes durable, in the order in which the VM needs it: device state, memory, disk. What was cut goes on where it
 * stopped (`download.ts`). What a failure leaves else are blobs that nobody names and a snapshot without its root.
 * @param storeId of the store that it comes from, which has all of the new files.
 * @param own what it is written down as; default: what the package says that it is.
 * @throws KelpieError `package_corrupt`, `disk_full`, `store_unavailable`, `canceled` …
 */
export async function fetchSnapshot(
  host: TeleportHost,
  open: OpenPackage,
  storeId: string,
  options: OperationOptions,
  own: Pick<SnapshotMetadata, 'vmId' | 'snapshotId'> = open.package.metadata,
): Promise<FetchedSnapshot> {
  const fetch = beginFetch(host, open, storeId, options);
  const { vmId, snapshotId } = own;
  const metadata = { ...open.package.metadata, vmId, snapshotId };
  const directory = await host.snapshots.prepare(vmId, snapshotId);
  const deviceStateBytes = await fetch.deviceState(`${directory}/device-state`);

  const memoryId = host.env.random.uuid();
  const memoryMap = await fetch.pages('memory', pageFilePath(host.places.blobDirectory, memoryId));
  const map = PageMap.identity(memoryMap.pageCount, memoryId, memoryMap.nonZeroRuns());
  await writeWhole(host, `${directory}/memory.map`, [map.encode(host.env.compute)]);

  const sizeBytes = metadata.config.diskMib * MIB;
  const layer: DiskLayer = { id: host.env.random.uuid(), format: 'raw', sizeBytes };
  const diskMap = await fetch.pages('disk', diskLayerPath(host.places.blobDirectory, layer));

  // Of another VM it is no package that comes before those of this one.
  if (vmId === open.package.metadata.vmId)
    await attemptLocally('write down the snapshot', () =>
      rememberPackage(host.env, directory, storeId, open.package.id),
    );
  const snapshot = await host.snapshots.complete({
    metadata,
    deviceStateBytes,
    memory: { pageFiles: map.pageFiles, mappable: memoryId },
    disk: [layer],
    dirtyBytes: map.nonZeroPages * PAGE_BYTES,
    pauseMs: 0,
  });
  const places = placesIn(host, storeId);
  await places.set(memoryId, memoryMap);
  await places.set(layer.id, diskMap);
  return { snapshot, downloadedBytes: fetch.movedBytes, download: fetch.download };
}

/** For a package of another kind: its parts, each fetched into a file. */
export function beginFetch(
  host: TeleportHost,
  open: OpenPackage,
  storeId: string,
  options: OperationOptions,
): SnapshotFetch {
  const local = new LocalPagesOfStore(host, { id: storeId, url: open.storeUrl });
  return new SnapshotFetch(host, open, local, options);
}

class SnapshotFetch {
  readonly download: Download;
  readonly #host: TeleportHost;
  readonly #open: OpenPackage;
  readonly #local: LocalPageFiles;
  readonly #options: OperationOptions;
  readonly #moved = new Map<string, number>();

  constructor(host: TeleportHost, open: OpenPackage, local: LocalPageFiles, options: OperationOptions) {
    this.download = new Download(host.env, host.places.download(open.package.id));
    this.#host = host;
    this.#open = open;
    this.#local = local;
    this.#options = options;
  }

  get movedBytes(): number {
    return [...this.#moved.values()].reduce((sum, bytes) => sum + bytes, 0);
  }

  /** @returns how long it is. */
  async deviceState(path: string): Promise<number> {
    return await writeWhole(this.#host, path, this.#open.deviceState(this.#transfer()));
  }

  /** All pages, durable, in a file at `path` that is as long as what they are of. */
  async pages(paged: 'memory' | 'disk', path: string): Promise<StoreMap> {
    const map = await this.#open.map(paged);
    const { file, journal } = await this.download.open(paged, map.pageCount * PAGE_BYTES, map.frames.length);
    try {
      await this.#open.fetchPages(paged, file, { ...this.#transfer(), journal, local: this.#local });
      await attemptLocally('store what was downloaded', () => file.sync());
      // All of them: the reader tells of those only that a crash on the way would have lost.
      await journal.done([...map.frames.keys()]);
    } finally {
      await file.close();
    }
    await this.download.finish(paged, path);
    return map;
  }

  #transfer(): TransferOptions {
    const { listener, signal } = this.#options;
    return {
      signal,
      onProgress: ({ item, doneBytes, totalBytes, movedBytes }) => {
        this.#moved.set(item, movedBytes ?? 0);
        listener.progress('download', item, doneBytes, totalBytes);
      },
    };
  }
}

/** Writes a small file durably; its directory is the caller's to sync. @returns how many bytes there were. */
async function writeWhole(
  host: TeleportHost,
  path: string,
  bytes: AsyncIterable<Bytes> | Iterable<Bytes>,
): Promise<number> {
  return await attemptLocally('store what was downloaded', async () => {
    const file = await host.env.files.open(path, 'w');
    try {
      let offset = 0;
      for await (const chunk of bytes) {
        await file.write(chunk, offset);
        offset += chunk.byteLength;
      }
      await file.sync();
      return offset;
    } finally {
      await file.close();
    }
  });
}
