/** A stream of the store, byte by byte as it was: a device state, an encoded map, a file of an image. */
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
  const ahead = new RangesAhead(reader, stream, signal);
  let doneBytes = 0;
  let movedBytes = 0;
  try {
    for (const range of ahead) {
      throwIfCanceled(signal, `fetching the ${item}`);
      for (const chunk of await range.frames) {
        hasher.update(chunk);
        doneBytes += chunk.byteLength;
        yield chunk;
      }
      movedBytes += range.length;
      onProgress?.({ item, doneBytes, totalBytes: stream.sizeBytes, movedBytes });
    }
  } catch (error) {
    throw signal?.aborted === true ? canceledError(signal, `fetching the ${item}`) : error;
  } finally {
    await ahead.abandon();
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

interface RangeAhead {
  readonly length: number;
  /** Raw bytes of its frames, in their order. */
  readonly frames: Promise<readonly Bytes[]>;
}

/** The ranges of a stream in their order, `RANGES_AHEAD` of them fetched before they are asked for. */
class RangesAhead {
  readonly #reader: FrameReader;
  readonly #stream: StoredStream;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #fetching: RangeAhead[] = [];

  constructor(reader: FrameReader, stream: StoredStream, signal: AbortSignal | undefined) {
    this.#reader = reader;
    this.#stream = stream;
    this.#signal = signal === undefined ? this.#stop.signal : AbortSignal.any([signal, this.#stop.signal]);
  }

  *[Symbol.iterator](): Generator<RangeAhead, void> {
    const ranges = planRanges(this.#stream.frames);
    for (let index = 0, next = 0; index < ranges.length; index += 1) {
      for (; next <= index + RANGES_AHEAD && next < ranges.length; next += 1)
        this.#fetching.push(this.#begin(defined(ranges[next], 'the next range')));
      yield defined(this.#fetching.shift(), 'a range that was begun');
    }
  }

  /** Ends what was begun and not used. */
  async abandon(): Promise<void> {
    this.#stop.abort();
    await Promise.allSettled(this.#fetching.map(async ({ frames }) => await frames));
  }

  #begin(range: FrameRange): RangeAhead {
    const frames = this.#fetch(range);
    // It is thrown where it is awaited; until then it must not count as unhandled.
    frames.catch(() => undefined);
    return { length: range.length, frames };
  }

  async #fetch(range: FrameRange): Promise<readonly Bytes[]> {
    const taken = new Map<number, Bytes>();
    const take = async (raw: Bytes, index: number): Promise<void> => void taken.set(index, raw);
    await this.#reader.read(this.#stream.frames, range, take, { signal: this.#signal });
    return range.frames.map((index) => defined(taken.get(index), 'the bytes of a frame'));
  }
}
