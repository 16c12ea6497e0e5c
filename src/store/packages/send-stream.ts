/** Any bytes into frames: a device state, an encoded map, a file of an image. */
import { AssertionFailed } from '../../base/assert.ts';
import type { Bytes } from '../../base/bytes.ts';
import { asKelpieError } from '../../base/errors.ts';
import { FRAME_BYTES_MAX } from '../../env/compute.ts';
import type { Hasher, PureCompute } from '../../env/compute.ts';
import { isSystemError } from '../../env/system-error.ts';
import type { ByteSource } from '../teleport-storage.ts';
import { encodeFrameTable } from './frame-table-codec.ts';
import type { FrameSpan, FrameWriter } from './frame-writer.ts';
import { STREAM_FRAMES_INLINE_MAX } from './limits.ts';
import type { FrameInfo } from './store-map.ts';
import type { StoredStream, StreamReference } from './stored-stream.ts';

/** A stream whose frames were added, and need not be packed yet. */
export interface SentStream {
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly frames: FrameSpan;
}

export interface StreamSender {
  readonly compute: Pick<PureCompute, 'sha256Hasher'>;
  readonly writer: FrameWriter;
  readonly signal: AbortSignal;
}

export interface StreamSource extends ByteSource {
  /** For sentences and progress. */
  readonly name: string;
  /** The source has another length than it says. */
  readonly wrongLength: () => Error;
  readonly onRead?: (doneBytes: number) => void;
}

/** @throws what the source throws, KelpieError `io_failed` for the system's refusals; the first failure of the writer's group. */
export async function sendStream(sender: StreamSender, source: StreamSource): Promise<SentStream> {
  const stream = new StreamInTheMaking(sender, source);
  for await (const chunk of ownFailures(source)) {
    await stream.take(chunk);
    source.onRead?.(stream.doneBytes);
  }
  return stream.end();
}

/** A stream whose bytes come by and by. */
export class StreamInTheMaking {
  doneBytes = 0;
  readonly #sender: StreamSender;
  readonly #source: Pick<StreamSource, 'sizeBytes' | 'wrongLength'>;
  readonly #hasher: Hasher;
  readonly #from: number;
  /** Null before its first byte. */
  #frame: Bytes | null = null;
  #filled = 0;

  /** No frames but the stream's are added before its end. */
  constructor(sender: StreamSender, source: Pick<StreamSource, 'sizeBytes' | 'wrongLength'>) {
    this.#sender = sender;
    this.#source = source;
    this.#hasher = sender.compute.sha256Hasher();
    this.#from = sender.writer.nextFrame;
  }

  /** The bytes are copied. @throws the source's `wrongLength`; the first failure of the writer's group. */
  async write(chunk: Bytes): Promise<void> {
    this.#count(chunk);
    for (let taken = 0; taken < chunk.byteLength;) {
      const frame = (this.#frame ??= new Uint8Array(this.#frameBytes()));
      const part = chunk.subarray(taken, taken + frame.byteLength - this.#filled);
      frame.set(part, this.#filled);
      this.#filled += part.byteLength;
      taken += part.byteLength;
      this.doneBytes += part.byteLength;
      if (this.#filled < frame.byteLength) continue;
      this.#frame = null;
      this.#filled = 0;
      await this.#sender.writer.add(frame);
    }
  }

  /** As `write`, of bytes that are given away: those of a whole frame are not copied. */
  async take(chunk: Bytes): Promise<void> {
    if (this.#frame !== null || chunk.byteLength === 0 || chunk.byteLength !== this.#frameBytes()) {
      await this.write(chunk);
      return;
    }
    this.#count(chunk);
    this.doneBytes += chunk.byteLength;
    await this.#sender.writer.add(chunk);
  }

  /** @throws the source's `wrongLength` when bytes are missing. */
  end(): SentStream {
    const { sizeBytes, wrongLength } = this.#source;
    if (this.doneBytes < sizeBytes) throw wrongLength();
    const frames = { from: this.#from, to: this.#sender.writer.nextFrame };
    return { sizeBytes, sha256: this.#hasher.digest(), frames };
  }

  #count(chunk: Bytes): void {
    this.#sender.signal.throwIfAborted();
    this.#hasher.update(chunk);
    if (this.doneBytes + chunk.byteLength > this.#source.sizeBytes) throw this.#source.wrongLength();
  }

  /** Of the next one, where none is begun. */
  #frameBytes(): number {
    return Math.min(FRAME_BYTES_MAX, this.#source.sizeBytes - this.doneBytes);
  }
}

/** The stream with its places, which are known once its frames are packed; a long one gets a table, which is sent too. */
export async function placedStream(sender: StreamSender, stream: SentStream): Promise<StreamReference> {
  const listed = await listedStream(sender.writer, stream);
  if (listed.frames.length <= STREAM_FRAMES_INLINE_MAX) return listed;
  const { sizeBytes, sha256, frames } = listed;
  const table = await sendStream(sender, bytesSource('table', encodeFrameTable(frames)));
  return { sizeBytes, sha256, table: await listedStream(sender.writer, table) };
}

async function listedStream(
  writer: FrameWriter,
  { sizeBytes, sha256, frames }: SentStream,
): Promise<StoredStream> {
  await writer.packed();
  const infos: FrameInfo[] = [];
  for (let index = frames.from; index < frames.to; index += 1) infos.push(writer.info(index));
  return { sizeBytes, sha256, frames: infos };
}

/** Bytes that are here. */
export function bytesSource(name: string, bytes: Bytes): StreamSource {
  const wrongLength = (): Error => new AssertionFailed('an array has its own length');
  return { name, sizeBytes: bytes.byteLength, bytes: () => oneChunk(bytes), wrongLength };
}

async function* oneChunk(bytes: Bytes): AsyncGenerator<Bytes> {
  yield bytes;
}

/** Failures of the source are told as its own, so that they are not taken for the store's. */
async function* ownFailures({ name, bytes }: StreamSource): AsyncGenerator<Bytes> {
  try {
    yield* bytes();
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw asKelpieError(error, 'io_failed', `cannot read ${name} to publish it: ${error.message}.`);
  }
}
