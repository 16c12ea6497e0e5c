/** A snapshot as the bytes of a blob. What is held is a chunk of the source. */
import { assert } from '../../base/assert.ts';
import { ByteReader } from '../../base/byte-reader.ts';
import { fromHex } from '../../base/bytes.ts';
import { KelpieError } from '../../base/errors.ts';
import { PAGE_BYTES } from '../../base/units.ts';
import { METADATA_BYTES_MAX } from '../limits.ts';
import { encodeSnapshotMetadata } from '../metadata-codec.ts';
import { describedSizes } from './contents.ts';
import { encodeFrameHead, framesOf, pagesOf } from './frames.ts';
import { encodeHeadV1, encodeHeadV2 } from './header.ts';
import { packedFrames } from './pack-frames.ts';
import { BLOB_DEVICE_STATE_BYTES_MAX, BLOB_ZEROS_BYTES } from './limits.ts';
import type { Bytes } from '../../base/bytes.ts';
import type { Compute, Hasher } from '../../env/compute.ts';
import type { PageRuns } from '../page-runs.ts';
import type { BlobPages, BlobSource } from './contents.ts';
import type { BlobCodec } from './header.ts';

/** Any array of zeros; whoever is given it does not write to it. */
const zeros = new Uint8Array(BLOB_ZEROS_BYTES);

/**
 * A blob of version 2. A chunk's memory is not used again, and is not to be written to. With zstd, as many frames are held as are packed at once.
 * @throws KelpieError `snapshot_corrupt` when the source is not what its metadata says or gives other lengths than it told; and
 * whatever the source throws.
 */
export async function* encodeBlob(
  source: BlobSource,
  codec: BlobCodec,
  compute: Pick<Compute, 'sha256Hasher' | 'packFrame' | 'framesAtOnce'>,
): AsyncGenerator<Bytes, void> {
  const metadata = checkedMetadata(source);
  const { diskBytes } = describedSizes(source.metadata);
  const areAsDescribed =
    source.disks.length === diskBytes.length &&
    source.disks.every(({ sizeBytes }, index) => sizeBytes === diskBytes[index]);
  if (!areAsDescribed) throw damaged('its disks are not those of its metadata');
  const volumes = [source.memory, ...source.disks];
  const table = volumes.map(({ sizeBytes, runs }) => ({ sizeBytes, pages: runs.pages, codec }));
  const digests = new Digests(compute);
  yield* digests.part([encodeHeadV2(metadata.byteLength, source.deviceState.sizeBytes, table)]);
  yield* digests.part([metadata]);
  yield* digests.part(deviceStateOf(source));
  for (const volume of volumes) yield* digests.part(framed(volume, codec, compute));
  yield digests.ofAll();
}

/**
 * A blob of version 1, which has no place for disks: whoever writes one has told its user what is lost. Otherwise as `encodeBlob`.
 */
export async function* encodeBlobWithoutDisks(
  source: Omit<BlobSource, 'disks'>,
): AsyncGenerator<Bytes, void> {
  const metadata = checkedMetadata(source);
  yield encodeHeadV1(metadata.byteLength, source.deviceState.sizeBytes, source.memory.sizeBytes);
  yield metadata;
  yield* deviceStateOf(source);
  yield* inFull(source.memory);
}

function checkedMetadata({ metadata, memory, deviceState }: Omit<BlobSource, 'disks'>): Bytes {
  if (memory.sizeBytes !== describedSizes(metadata).memoryBytes)
    throw damaged('its memory is not that of its metadata');
  if (deviceState.sizeBytes > BLOB_DEVICE_STATE_BYTES_MAX) throw damaged('its device state is too long');
  const bytes = encodeSnapshotMetadata(metadata);
  assert(bytes.byteLength <= METADATA_BYTES_MAX, 'metadata that was parsed is within its bounds');
  return bytes;
}

async function* deviceStateOf({ deviceState }: Pick<BlobSource, 'deviceState'>): AsyncGenerator<Bytes, void> {
  const reader = new ByteReader(deviceState.bytes(), isShort);
  try {
    yield* reader.take(deviceState.sizeBytes);
    if ((await reader.next(1)) !== null) throw isLong();
  } finally {
    await reader.close();
  }
}

/** A memory or disk without its zeros: frames. */
async function* framed(
  volume: BlobPages,
  codec: BlobCodec,
  compute: Pick<Compute, 'packFrame' | 'framesAtOnce'>,
): AsyncGenerator<Bytes, void> {
  const reader = pagesReader(volume);
  try {
    yield* codec === 'zstd' ? packedFrames(volume.runs, reader, compute) : storedFrames(volume.runs, reader);
    if ((await reader.next(1)) !== null) throw isLong();
  } finally {
    await reader.close();
  }
}

async function* storedFrames(runs: PageRuns, reader: ByteReader): AsyncGenerator<Bytes, void> {
  for (const frame of framesOf(runs)) {
    const length = pagesOf(frame) * PAGE_BYTES;
    yield encodeFrameHead(frame, length);
    yield* reader.take(length);
  }
}

/** A memory with its zeros. */
async function* inFull(volume: BlobPages): AsyncGenerator<Bytes, void> {
  const reader = pagesReader(volume);
  try {
    let endPage = 0;
    for (const { firstPage, count } of volume.runs) {
      yield* zeroBytes((firstPage - endPage) * PAGE_BYTES);
      yield* reader.take(count * PAGE_BYTES);
      endPage = firstPage + count;
    }
    yield* zeroBytes(volume.sizeBytes - endPage * PAGE_BYTES);
    if ((await reader.next(1)) !== null) throw isLong();
  } finally {
    await reader.close();
  }
}

function pagesReader({ sizeBytes, runs, pages }: BlobPages): ByteReader {
  assert(sizeBytes % PAGE_BYTES === 0, 'a memory or disk is of whole pages');
  assert(runs.endPage * PAGE_BYTES <= sizeBytes, 'the runs lie inside');
  return new ByteReader(pages(), isShort);
}

function* zeroBytes(length: number): Generator<Bytes, void> {
  for (let left = length; left > 0; left -= zeros.byteLength) yield zeros.subarray(0, left);
}

/** Puts its digest behind each part. */
class Digests {
  readonly #compute: Pick<Compute, 'sha256Hasher'>;
  readonly #all: Hasher;

  constructor(compute: Pick<Compute, 'sha256Hasher'>) {
    this.#compute = compute;
    this.#all = compute.sha256Hasher();
  }

  async *part(chunks: AsyncIterable<Bytes> | Iterable<Bytes>): AsyncGenerator<Bytes, void> {
    const hasher = this.#compute.sha256Hasher();
    for await (const chunk of chunks) {
      hasher.update(chunk);
      yield chunk;
    }
    const digest = fromHex(hasher.digest());
    this.#all.update(digest);
    yield digest;
  }

  /** Of the digests of all parts. */
  ofAll(): Bytes {
    return fromHex(this.#all.digest());
  }
}

function isShort(): KelpieError {
  return damaged('it has fewer bytes than it says');
}

function isLong(): KelpieError {
  return damaged('it has more bytes than it says');
}

function damaged(what: string): KelpieError {
  return new KelpieError('snapshot_corrupt', `the snapshot is damaged, or changed: ${what}.`);
}
