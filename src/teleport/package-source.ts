/** A snapshot of this host as what a store publishes: three segments, each streamed from its files. */
import { assert } from '../base/assert.ts';
import { MIB, PAGE_BYTES } from '../base/units.ts';
import { pageFilePath } from '../snapshot/local-snapshot.ts';
import { PAGE_MAP_BYTES_MAX } from '../snapshot/page-map-codec.ts';
import { PageMap } from '../snapshot/page-map.ts';
import { readPages } from '../snapshot/page-reader.ts';
import { PageRunsBuilder } from '../snapshot/page-runs.ts';
import { encodeSparseSegment, sparseSegmentBytes } from '../snapshot/sparse-segment.ts';
import type { Bytes } from '../base/bytes.ts';
import type { Files } from '../env/files.ts';
import type { LocalSnapshot } from '../snapshot/local-snapshots.ts';
import type { SparseSource } from '../snapshot/sparse-segment.ts';
import type { BlobReference, PackageSource } from '../store/teleport-storage.ts';
import type { DiskExtent } from './disk-images.ts';
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
  const memory = sparse('memory', await memorySource(host, snapshot, signal));
  const disk = sparse('disk', await diskSource(host, snapshot, signal));
  return { metadata: snapshot.metadata, segments: [deviceState, memory, disk], imageFiles };
}

function sparse(name: Segment['name'], source: SparseSource): Segment {
  return { name, sizeBytes: sparseSegmentBytes(source.runs), bytes: () => encodeSparseSegment(source) };
}

async function memorySource(
  host: TeleportHost,
  snapshot: LocalSnapshot,
  signal: AbortSignal,
): Promise<SparseSource> {
  const { files, compute } = host.env;
  const map = PageMap.decode(await files.readFile(snapshot.memory.mapPath, PAGE_MAP_BYTES_MAX), compute);
  const resolvePath = (id: string): string => pageFilePath(host.places.blobDirectory, id);
  return {
    sizeBytes: map.pageCount * PAGE_BYTES,
    runs: map.nonZeroRuns(),
    async *pages() {
      for await (const batch of readPages(files, map, resolvePath, signal)) yield batch.bytes;
    },
  };
}

async function diskSource(
  host: TeleportHost,
  snapshot: LocalSnapshot,
  signal: AbortSignal,
): Promise<SparseSource> {
  const top = snapshot.disk.at(-1);
  assert(top !== undefined, 'a snapshot has a disk');
  const extents = await host.disks.readExtents(snapshot.disk, signal);
  const runs = new PageRunsBuilder();
  for (const { offset, length } of extents) runs.append(offset / PAGE_BYTES, length / PAGE_BYTES);
  return {
    sizeBytes: top.sizeBytes,
    runs: runs.finish(),
    async *pages() {
      for (const extent of extents) yield* readStretch(host.env.files, extent);
    },
  };
}

/** A stretch of a file in chunks; zeros after its end, since a raw file may be shorter than its disk. */
async function* readStretch(
  files: Files,
  { path, sourceOffset, length }: Pick<DiskExtent, 'path' | 'sourceOffset' | 'length'>,
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
