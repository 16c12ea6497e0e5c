/** What a blob is written from: a snapshot of this host, or a package of a store. Everything is streamed from where it lies. */
import { PAGE_BYTES } from '../base/units.ts';
import { readPages } from '../snapshot/page-reader.ts';
import { fileSource } from './file-source.ts';
import { snapshotPages } from './snapshot-pages.ts';
import type { Bytes } from '../base/bytes.ts';
import type { BlobPages, BlobSource } from '../snapshot/blob/contents.ts';
import type { LocalSnapshot } from '../snapshot/local-snapshots.ts';
import type { PageReaderOptions } from '../snapshot/page-reader.ts';
import type { LocalPages, OpenPackage } from '../store/teleport-storage.ts';
import type { TeleportHost } from './teleport-host.ts';

/**
 * Nothing of the snapshot's files may be removed before the last byte was read.
 * @throws KelpieError `snapshot_corrupt`, `io_failed`, `backend_unavailable`, `canceled`; the streams too.
 */
export async function snapshotBlobSource(
  host: Pick<TeleportHost, 'env' | 'places' | 'disks'>,
  snapshot: LocalSnapshot,
  signal: AbortSignal,
): Promise<BlobSource> {
  const { files } = host.env;
  const { memory, disk } = await snapshotPages(host, snapshot, signal);
  const pagesOf = ({ map, pathOf }: LocalPages, options: PageReaderOptions = {}): BlobPages => ({
    sizeBytes: map.pageCount * PAGE_BYTES,
    runs: map.nonZeroRuns(),
    async *pages(): AsyncGenerator<Bytes, void> {
      for await (const { bytes } of readPages(files, map, pathOf, { ...options, signal })) yield bytes;
    },
  });
  return {
    metadata: snapshot.metadata,
    deviceState: fileSource(files, snapshot.deviceStatePath, snapshot.deviceStateBytes),
    memory: pagesOf(memory),
    disks: [pagesOf(disk, { zerosAfterEnd: true })],
  };
}

/**
 * A package may be removed meanwhile: then a stream says so.
 * @throws KelpieError `package_corrupt`, `package_not_found`, `store_unavailable`, `canceled`; the streams too.
 */
export async function packageBlobSource(opened: OpenPackage, signal: AbortSignal): Promise<BlobSource> {
  const pagesOf = async (paged: 'memory' | 'disk'): Promise<BlobPages> => {
    const map = await opened.map(paged, { signal });
    return {
      sizeBytes: map.pageCount * PAGE_BYTES,
      runs: map.nonZeroRuns(),
      pages: () => opened.pages(paged, { signal }),
    };
  };
  return {
    metadata: opened.package.metadata,
    deviceState: { sizeBytes: opened.deviceStateBytes, bytes: () => opened.deviceState({ signal }) },
    memory: await pagesOf('memory'),
    disks: [await pagesOf('disk')],
  };
}
