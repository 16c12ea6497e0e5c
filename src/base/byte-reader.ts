import { assert } from './assert.ts';
import type { Bytes } from './bytes.ts';

/** Reads exact lengths from a stream of chunks. */
export class ByteReader {
  readonly #chunks: AsyncIterator<Bytes>;
  readonly #cutShort: () => Error;
  #rest: Bytes = new Uint8Array(0);

  /** @param cutShort the error of a stream that ends inside something. */
  constructor(chunks: AsyncIterable<Bytes>, cutShort: () => Error) {
    this.#chunks = chunks[Symbol.asyncIterator]();
    this.#cutShort = cutShort;
  }

  /** The next 1 to `length` bytes, without a copy, or null at the end. They are valid until the next call. */
  async next(length: number): Promise<Bytes | null> {
    assert(length >= 1, 'something is asked for');
    while (this.#rest.byteLength === 0) {
      const step = await this.#chunks.next();
      if (step.done === true) return null;
      this.#rest = step.value;
    }
    const taken = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(taken.byteLength);
    return taken;
  }

  /** Exactly `length` bytes, or null when the stream has ended before the first. @throws `cutShort` when it ends inside. */
  async exactly(length: number): Promise<Bytes | null> {
    const bytes = new Uint8Array(length);
    const filled = await this.#read(bytes);
    if (filled === 0 && length > 0) return null;
    if (filled < length) throw this.#cutShort();
    return bytes;
  }

  /** The next bytes, all of `into`. @throws `cutShort` when there are not as many. */
  async readInto(into: Bytes): Promise<void> {
    if ((await this.#read(into)) < into.byteLength) throw this.#cutShort();
  }

  /** The next `length` bytes as they come, each part valid until the next. @throws `cutShort` when there are not as many. */
  async *take(length: number): AsyncGenerator<Bytes, void> {
    for (let left = length; left > 0;) {
      const part = await this.next(left);
      if (part === null) throw this.#cutShort();
      left -= part.byteLength;
      yield part;
    }
  }

  async #read(into: Bytes): Promise<number> {
    let filled = 0;
    while (filled < into.byteLength) {
      const part = await this.next(into.byteLength - filled);
      if (part === null) break;
      into.set(part, filled);
      filled += part.byteLength;
    }
    return filled;
  }

  /** Stops the stream. */
  async close(): Promise<void> {
    await this.#chunks.return?.();
  }
}
