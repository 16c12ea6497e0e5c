/** A snapshot of this host as what a blob is written from: everything is streamed from its files. */
import { throwIfCanceled } from '../base/cancel.ts';
import { MIB, PAGE_BYTES } from '../base/units.ts';
import { chunksOf } from '../env/file-chunks.ts';
import { readPages } from '../snapshot/page-reader.ts';
import { snapshotPages } from './snapshot-pages.ts';
import type { Bytes } from '../base/bytes.ts';
import type { FileHandle, Files } from '../env/files.ts';
import type { BlobPages, BlobSource } from '../snapshot/blob/contents.ts';
import type { LocalSnapshot } from '../snapshot/local-snapshots.ts';
import type { TeleportHost } from './teleport-host.ts';

/** How much of a disk is read at once. */
const CHUNK_BYTES: number = MIB;

type Pages = Awaited<ReturnType<typeof snapshotPages>>['disk'];

/**
 * Nothing of the snapshot's files may be removed before the last byte was read.
 * @throws KelpieError `snapshot_corrupt`, `io_failed`, `backend_unavailable`, `canceled`; the streams too.
 */
export async function blobSource(
  host: Pick<TeleportHost, 'env' | 'places' | 'disks'>,
  snapshot: LocalSnapshot,
  signal: AbortSignal,
): Promise<BlobSource> {
  const { files } = host.env;
  const { memory, disk } = await snapshotPages(host, snapshot, signal);
  return {
    metadata: snapshot.metadata,
    deviceState: {
      sizeBytes: snapshot.deviceStateBytes,
      async *bytes() {
        yield* chunksOf(await files.open(snapshot.deviceStatePath, 'r'));
      },
    },
    memory: pagesOf(memory, async function* () {
      for await (const { bytes } of readPages(files, memory.map, memory.pathOf, signal)) yield bytes;
    }),
    disks: [pagesOf(disk, () => readDisk(files, disk, signal))],
  };
}

function pagesOf({ map }: Pages, pages: BlobPages['pages']): BlobPages {
  return { sizeBytes: map.pageCount * PAGE_BYTES, runs: map.nonZeroRuns(), pages };
}

/** The pages of a disk. A layer may end before its last page does: what is missing are zeros. */
async function* readDisk(
  files: Files,
  { map, pathOf }: Pages,
  signal: AbortSignal,
): AsyncGenerator<Bytes, void> {
  const layer = new OpenLayer(files);
  try {
    for (const { pageFile, sourcePage, count } of map.runs()) {
      const handle = await layer.open(pathOf(pageFile));
      const end = (sourcePage + count) * PAGE_BYTES;
      for (let offset = sourcePage * PAGE_BYTES; offset < end;) {
        throwIfCanceled(signal, 'reading the disk of a snapshot');
        const chunk = new Uint8Array(Math.min(CHUNK_BYTES, end - offset));
        const read = await handle.read(chunk, offset);
        const length = read === 0 ? chunk.byteLength : read;
        yield chunk.subarray(0, length);
        offset += length;
      }
    }
  } finally {
    await layer.close();
  }
}

/** The layer that is being read. */
class OpenLayer {
  readonly #files: Files;
  #current: { readonly path: string; readonly handle: FileHandle } | null = null;

  constructor(files: Files) {
    this.#files = files;
  }

  async open(path: string): Promise<FileHandle> {
    if (this.#current?.path === path) return this.#current.handle;
    await this.close();
    const handle = await this.#files.open(path, 'r');
    this.#current = { path, handle };
    return handle;
  }

  async close(): Promise<void> {
    await this.#current?.handle.close();
    this.#current = null;
  }
}
