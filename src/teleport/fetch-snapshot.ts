/** A package's snapshot brought to this host: as good as one that was taken here, its memory ready to be mapped. */
import { parentDirectory } from '../env/durable-files.ts';
import { MIB, PAGE_BYTES } from '../base/units.ts';
import { diskLayerPath, pageFilePath } from '../snapshot/local-snapshot.ts';
import { attemptLocally } from '../snapshot/local-failure.ts';
import { PageMap } from '../snapshot/page-map.ts';
import { decodeSparseSegment } from '../snapshot/sparse-segment-reader.ts';
import type { Bytes } from '../base/bytes.ts';
import type { DiskLayer } from '../snapshot/local-snapshot.ts';
import type { LocalSnapshot } from '../snapshot/local-snapshots.ts';
import type { PageRuns } from '../snapshot/page-runs.ts';
import type { OpenPackage, SegmentName, TransferOptions } from '../store/teleport-storage.ts';
import type { OperationOptions } from './source.ts';
import type { TeleportHost } from './teleport-host.ts';

/**
 * Fetches, checks and makes durable. What a failure leaves are blobs that nobody names and a snapshot without its root.
 * @throws KelpieError `package_corrupt`, `disk_full`, `store_unavailable`, `canceled` …
 */
export async function fetchSnapshot(
  host: TeleportHost,
  open: OpenPackage,
  options: OperationOptions,
): Promise<LocalSnapshot> {
  const { metadata, segments } = open.package;
  const { memoryMib, diskMib } = metadata.config;
  const directory = await host.snapshots.prepare(metadata.vmId, metadata.snapshotId);
  const fetch = (name: SegmentName): AsyncIterable<Bytes> => open.segment(name, transfer(options));

  await writeWhole(host, `${directory}/device-state`, fetch('device-state'));
  const memoryId = host.env.random.uuid();
  const memoryBytes = memoryMib * MIB;
  const runs = await writeSparse(
    host,
    pageFilePath(host.places.blobDirectory, memoryId),
    fetch('memory'),
    memoryBytes,
  );
  const map = PageMap.identity(memoryBytes / PAGE_BYTES, memoryId, runs);
  await writeWhole(host, `${directory}/memory.map`, [map.encode(host.env.compute)]);
  const layer: DiskLayer = { id: host.env.random.uuid(), format: 'raw', sizeBytes: diskMib * MIB };
  await writeSparse(host, diskLayerPath(host.places.blobDirectory, layer), fetch('disk'), layer.sizeBytes);

  return host.snapshots.complete({
    metadata,
    deviceStateBytes: segments.find((segment) => segment.name === 'device-state')?.sizeBytes ?? 0,
    memory: { pageFiles: map.pageFiles, mappable: memoryId },
    disk: [layer],
    dirtyBytes: runs.pages * PAGE_BYTES,
    pauseMs: 0,
  });
}

function transfer({ listener, signal }: OperationOptions): TransferOptions {
  return {
    signal,
    onProgress: ({ item, doneBytes, totalBytes }) =>
      listener.progress('download', item, doneBytes, totalBytes),
  };
}

async function writeSparse(
  host: TeleportHost,
  path: string,
  bytes: AsyncIterable<Bytes>,
  sizeBytes: number,
): Promise<PageRuns> {
  return attemptLocally('store what was downloaded', async () => {
    const file = await host.env.files.open(path, 'wx');
    try {
      const runs = await decodeSparseSegment(bytes, sizeBytes, file);
      await file.sync();
      return runs;
    } finally {
      await file.close();
      await host.env.files.syncDirectory(parentDirectory(path));
    }
  });
}

async function writeWhole(
  host: TeleportHost,
  path: string,
  bytes: AsyncIterable<Bytes> | Iterable<Bytes>,
): Promise<void> {
  await attemptLocally('store what was downloaded', async () => {
    const file = await host.env.files.open(path, 'w');
    try {
      let offset = 0;
      for await (const chunk of bytes) {
        await file.write(chunk, offset);
        offset += chunk.byteLength;
      }
      await file.sync();
    } finally {
      await file.close();
    }
  });
}
