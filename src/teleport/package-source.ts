/** A snapshot of this host as what a store publishes: three segments, each streamed from its files. */
import { MIB, PAGE_BYTES } from '../base/units.ts';
import { readPages } from '../snapshot/page-reader.ts';
import { encodeSparseSegment, sparseSegmentBytes } from '../snapshot/sparse-segment.ts';
import type { Bytes } from '../base/bytes.ts';
import type { Files } from '../env/files.ts';
import type { LocalSnapshot } from '../snapshot/local-snapshots.ts';
import type { SparseSource } from '../snapshot/sparse-segment.ts';
import type { BlobReference, PackageSource } from '../store/teleport-storage.ts';
import { snapshotPages } from './snapshot-pages.ts';
import type { LocalPages } from '../store/packages/contract.ts';
import type { TeleportHost } from './teleport-host.ts';

/** How much is read at once; what is held of a package at any time is a few of these. */
const CHUNK_BYTES: number = MIB;

type Segment = PackageSource['segments'][number];

/** The package of a snapshot. @throws KelpieError `snapshot_corrupt` when its files are not what it says. */
export async function packageSource(
  host: TeleportHost,
  snapshot: LocalSnapshot,
  imageFiles: readonly BlobReference[],
  signal: AbortSignal,
): Promise<PackageSource> {
  const { files } = host.env;
  const deviceState: Segment = {
    name: 'device-state',
    sizeBytes: snapshot.deviceStateBytes,
    bytes: () =>
      readStretch(files, {
        path: snapshot.deviceStatePath,
        sourceOffset: 0,
        length: snapshot.deviceStateBytes,
      }),
  };
  const { memory, disk } = await snapshotPages(host, snapshot, signal);
  const segments = [
    deviceState,
    sparse('memory', memorySource(host, memory, signal)),
    sparse('disk', diskSource(host, disk)),
  ];
  return { metadata: snapshot.metadata, segments, imageFiles };
}

function sparse(name: Segment['name'], source: SparseSource): Segment {
  return { name, sizeBytes: sparseSegmentBytes(source.runs), bytes: () => encodeSparseSegment(source) };
}

function memorySource(host: TeleportHost, { map, pathOf }: LocalPages, signal: AbortSignal): SparseSource {
  return {
    sizeBytes: map.pageCount * PAGE_BYTES,
    runs: map.nonZeroRuns(),
    async *pages() {
      for await (const batch of readPages(host.env.files, map, pathOf, signal)) yield batch.bytes;
    },
  };
}

function diskSource(host: TeleportHost, { map, pathOf }: LocalPages): SparseSource {
  return {
    sizeBytes: map.pageCount * PAGE_BYTES,
    runs: map.nonZeroRuns(),
    async *pages() {
      for (const { pageFile, sourcePage, count } of map.runs()) {
        yield* readStretch(host.env.files, {
          path: pathOf(pageFile),
          sourceOffset: sourcePage * PAGE_BYTES,
          length: count * PAGE_BYTES,
        });
      }
    },
  };
}

/** A stretch of a file in chunks; zeros after its end, since a raw file may be shorter than its disk. */
async function* readStretch(
  files: Files,
  {
    path,
    sourceOffset,
    length,
  }: { readonly path: string; readonly sourceOffset: number; readonly length: number },
): AsyncGenerator<Bytes> {
  const file = await files.open(path, 'r');
  try {
    for (let done = 0; done < length;) {
      const chunk = new Uint8Array(Math.min(CHUNK_BYTES, length - done));
      const count = await file.read(chunk, sourceOffset + done);
      yield count === 0 ? chunk : chunk.subarray(0, count);
      done += count === 0 ? chunk.byteLength : count;
    }
  } finally {
    await file.close();
  }
}
