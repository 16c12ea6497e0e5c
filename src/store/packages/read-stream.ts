/** A stream of the store, byte by byte as it was: a device state, an encoded map, a file of an image. */
import { ahead } from '../../base/ahead.ts';
import { defined } from '../../base/assert.ts';
import { concat } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import { canceledError, throwIfCanceled } from '../../base/cancel.ts';
import { KelpieError } from '../../base/errors.ts';
import type { Env } from '../../env/env.ts';
import type { TransferOptions } from '../teleport-storage.ts';
import { decodeFrameTable } from './frame-table-codec.ts';
import { planRanges } from './frame-ranges.ts';
import type { FrameRange } from './frame-ranges.ts';
import type { FrameReader } from './frame-reader.ts';
import { FRAME_TABLE_BYTES_MAX } from './limits.ts';
import { rawBytesOf } from './stored-stream.ts';
import type { StoredStream, StreamReference } from './stored-stream.ts';

/** Ranges that are fetched while one is used. A range is of one pack, so it has at most 16 MiB of raw bytes. */
const RANGES_AHEAD = 2;

interface FetchedRange {
  readonly length: number;
  readonly chunks: readonly Bytes[];
}

export interface StreamOptions extends TransferOptions {
  /** For progress and sentences: `device-state`. */
  readonly item: string;
}

/**
 * The bytes of a stream, in order. Each frame is checked before its bytes are given out, and the digest of all at the end, so nothing is used
 * before that. A chunk belongs to whoever took it.
 * @throws KelpieError `package_corrupt`, `canceled`, StoreTrouble.
 */
export async function* readStream(
  env: Pick<Env, 'compute'>,
  reader: FrameReader,
  reference: StreamReference,
  options: StreamOptions,
): AsyncGenerator<Bytes> {
  const { item, signal, onProgress } = options;
  const stream = await listFrames(env, reader, reference, options);
  const hasher = env.compute.sha256Hasher();
  const fetch = async (range: FrameRange, stop: AbortSignal): Promise<FetchedRange> =>
    await fetchRange(reader, stream, range, stop);
  let doneBytes = 0;
  let movedBytes = 0;
  try {
    for await (const { length, chunks } of ahead(planRanges(stream.frames), RANGES_AHEAD, fetch, signal)) {
      throwIfCanceled(signal, `fetching the ${item}`);
      for (const chunk of chunks) {
        hasher.update(chunk);
        doneBytes += chunk.byteLength;
        yield chunk;
      }
      movedBytes += length;
      onProgress?.({ item, doneBytes, totalBytes: stream.sizeBytes, movedBytes });
    }
  } catch (error) {
    throw signal?.aborted === true ? canceledError(signal, `fetching the ${item}`) : error;
  }
  if (hasher.digest() === stream.sha256) return;
  throw new KelpieError('package_corrupt', `the ${item} of the package is damaged: its digest is wrong.`);
}

/** A stream that fits memory, whole. @throws as `readStream`, and `package_corrupt` when it is longer than `sizeBytesMax`. */
export async function readWholeStream(
  env: Pick<Env, 'compute'>,
  reader: FrameReader,
  stream: StreamReference,
  options: StreamOptions & { readonly sizeBytesMax: number },
): Promise<Bytes> {
  if (stream.sizeBytes > options.sizeBytesMax)
    throw new KelpieError(
      'package_corrupt',
      `the ${options.item} of the package cannot be used: it is too long.`,
    );
  return concat(await Array.fromAsync(readStream(env, reader, stream, options)));
}

/** The stream with its frames, which are fetched when they are in a table of their own. @throws as `readStream`. */
export async function listFrames(
  env: Pick<Env, 'compute'>,
  reader: FrameReader,
  stream: StreamReference,
  { item, signal }: Pick<StreamOptions, 'item' | 'signal'>,
): Promise<StoredStream> {
  if (!('table' in stream)) return stream;
  const bytes = await readWholeStream(env, reader, stream.table, {
    item: `table of the ${item}`,
    sizeBytesMax: FRAME_TABLE_BYTES_MAX,
    ...(signal === undefined ? {} : { signal }),
  });
  const frames = decodeFrameTable(bytes);
  reader.requireNamed(frames, `the table of the ${item}`);
  const { sizeBytes, sha256 } = stream;
  if (rawBytesOf(frames) === sizeBytes) return { sizeBytes, sha256, frames };
  throw new KelpieError(
    'package_corrupt',
    `the ${item} of the package is damaged: its frames have another length.`,
  );
}

/** The raw bytes of a range's frames, in their order. */
async function fetchRange(
  reader: FrameReader,
  { frames }: StoredStream,
  range: FrameRange,
  signal: AbortSignal,
): Promise<FetchedRange> {
  const taken = new Map<number, Bytes>();
  const take = async (raw: Bytes, index: number): Promise<void> => void taken.set(index, raw);
  await reader.read(frames, range, take, { signal });
  const chunks = range.frames.map((index) => defined(taken.get(index), 'the bytes of a frame'));
  return { length: range.length, chunks };
}
