/**
 * The contents of a blob, which is not trusted: every length is checked before anything is allocated from it, every digest before the
 * reader says that the blob is whole. What is held is one frame and one chunk.
 *
 *     head ─▶ lengths ─▶ metadata ─▶ BlobSink.begin ─▶ device state ─▶ memory ─▶ disks ─▶ digest of all, end
 */
import { defined } from '../../base/assert.ts';
import { PAGE_BYTES } from '../../base/units.ts';
import { FrameDamaged } from '../../env/frame-damaged.ts';
import { METADATA_BYTES_MAX } from '../limits.ts';
import { metadataSchema, parseDocument } from '../metadata-codec.ts';
import { SNAPSHOT_FORMAT_VERSION } from '../metadata.ts';
import { checkBlob, corruptBlob, describedSizes } from './contents.ts';
import { FrameHeads } from './frames.ts';
import { readFullImage } from './full-image.ts';
import {
  BLOB_EXTENT_BYTES,
  BLOB_FRAME_HEAD_BYTES,
  BLOB_HEAD_BYTES,
  BLOB_VOLUME_BYTES,
  checkLengths,
  checkVolumeSize,
  decodeHead,
  decodeVolumes,
} from './header.ts';
import { BLOB_FRAME_PAGES_MAX } from './limits.ts';
import { PartReader } from './part-reader.ts';
import type { Bytes } from '../../base/bytes.ts';
import type { Compute } from '../../env/compute.ts';
import type { SnapshotMetadata } from '../metadata.ts';
import type { PageBatch } from '../page-reader.ts';
import type { BlobContents, BlobSink } from './contents.ts';
import type { BlobHead, VolumeEntry } from './header.ts';

type BlobCompute = Pick<Compute, 'sha256Hasher' | 'sha256' | 'isZero' | 'unpackFrame'>;

/**
 * Gives the sink all that is in `bytes`, and resolves when the blob was whole and nothing follows it. A blob of version 1 has no
 * digests: of its metadata and lengths what is wrong is found, damage inside its device state and memory is not.
 * @throws KelpieError `package_corrupt`, `package_too_new`, `limit_exceeded`; and whatever `bytes` or the sink throws. `bytes` is
 * ended in any case.
 */
export async function readBlob(
  bytes: AsyncIterable<Bytes>,
  sink: BlobSink,
  compute: BlobCompute,
): Promise<BlobContents> {
  const reader = new PartReader(bytes, compute);
  try {
    const head = new Uint8Array(BLOB_HEAD_BYTES);
    await reader.readInto(head);
    const decoded = decodeHead(head);
    const contents =
      decoded.version === 1
        ? await readV1(reader, decoded, sink, compute)
        : await readV2(reader, decoded, sink, compute);
    await reader.checkEnd();
    return contents;
  } finally {
    await reader.close();
  }
}

async function readV1(
  reader: PartReader,
  head: BlobHead,
  sink: BlobSink,
  compute: BlobCompute,
): Promise<BlobContents> {
  const { metadataBytes, deviceStateBytes } = checkLengths(head);
  const sizeBytes = checkVolumeSize(head.memoryBytes, 'memory');
  reader.begin('metadata', false);
  const metadata = await readMetadata(reader, metadataBytes);
  checkBlob(sizeBytes === describedSizes(metadata).memoryBytes, 'its memory is not that of its metadata');
  const memory = { sizeBytes, pages: null };
  const contents: BlobContents = { version: 1, metadata, deviceStateBytes, memory, disks: [] };
  await sink.begin(contents);
  reader.begin('device state', false);
  await readDeviceState(reader, deviceStateBytes, sink);
  reader.begin('memory', false);
  await readFullImage(reader, sizeBytes, compute, (batch) => sink.memory(batch));
  return contents;
}

async function readV2(
  reader: PartReader,
  head: BlobHead,
  sink: BlobSink,
  compute: BlobCompute,
): Promise<BlobContents> {
  const table = new Uint8Array(head.volumeCount * BLOB_VOLUME_BYTES);
  await reader.readInto(table);
  await reader.checkDigest();
  const { metadataBytes, deviceStateBytes } = checkLengths(head);
  const volumes = decodeVolumes(table);
  reader.begin('metadata', true);
  const metadata = await readMetadata(reader, metadataBytes, () => reader.checkDigest());
  const { memoryBytes, diskBytes } = describedSizes(metadata);
  const described = [memoryBytes, ...diskBytes];
  checkBlob(
    volumes.length === described.length &&
      volumes.every(({ sizeBytes }, index) => sizeBytes === described[index]),
    'its memory and disks are not those of its metadata',
  );
  const [first, ...disks] = volumes;
  const memory = defined(first, 'the memory, which is the first volume');
  const contents: BlobContents = { version: 2, metadata, deviceStateBytes, memory, disks };
  await sink.begin(contents);
  reader.begin('device state', true);
  await readDeviceState(reader, deviceStateBytes, sink);
  await reader.checkDigest();
  reader.begin('memory', true);
  await readFrames(reader, memory, compute, (batch) => sink.memory(batch));
  for (const [index, disk] of disks.entries()) {
    reader.begin('disk', true);
    await readFrames(reader, disk, compute, (batch) => sink.disk(index, batch));
  }
  await reader.checkDigests();
  return contents;
}

/** @param check runs before anything is made of the bytes. */
async function readMetadata(
  reader: PartReader,
  length: number,
  check?: () => Promise<void>,
): Promise<SnapshotMetadata> {
  const bytes = new Uint8Array(length);
  await reader.readInto(bytes);
  await check?.();
  return parseDocument(bytes, metadataSchema, {
    what: "the package's metadata",
    formatVersion: SNAPSHOT_FORMAT_VERSION,
    sizeBytesMax: METADATA_BYTES_MAX,
    code: 'package_corrupt',
  });
}

async function readDeviceState(reader: PartReader, length: number, sink: BlobSink): Promise<void> {
  for (let left = length; left > 0;) {
    const bytes = await reader.next(left);
    left -= bytes.byteLength;
    await sink.deviceState(bytes);
  }
}

/** The frames of a memory or disk, and its digest. */
async function readFrames(
  reader: PartReader,
  volume: VolumeEntry,
  compute: BlobCompute,
  put: (batch: PageBatch) => Promise<void>,
): Promise<void> {
  const heads = new FrameHeads(volume);
  const head = new Uint8Array(BLOB_FRAME_HEAD_BYTES);
  const table = new Uint8Array(BLOB_FRAME_PAGES_MAX * BLOB_EXTENT_BYTES);
  // One buffer for all frames: fresh ones for gigabytes of pages would pile up until the collector comes.
  const buffer = new Uint8Array(Math.min(BLOB_FRAME_PAGES_MAX, volume.pages) * PAGE_BYTES);
  while (!heads.isAtEnd) {
    await reader.readInto(head);
    const { extentCount, storedBytes } = heads.head(head);
    const places = table.subarray(0, extentCount * BLOB_EXTENT_BYTES);
    await reader.readInto(places);
    const { extents, bytes: rawBytes } = heads.extents(places, storedBytes);
    const stored = buffer.subarray(0, storedBytes);
    await reader.readInto(stored);
    const bytes = storedBytes === rawBytes ? stored : await unpack(stored, rawBytes, compute);
    await put({ extents, bytes });
  }
  await reader.checkDigest();
}

async function unpack(stored: Bytes, rawBytes: number, compute: BlobCompute): Promise<Bytes> {
  try {
    const packed = { bytes: stored, codec: 'zstd', sha256: compute.sha256(stored) } as const;
    return await compute.unpackFrame(packed, rawBytes, null);
  } catch (error) {
    if (!(error instanceof FrameDamaged)) throw error;
    throw corruptBlob('a frame does not hold what it should', error);
  }
}
