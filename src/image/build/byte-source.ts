/** Reads exact lengths from a stream of chunks. */
import { KelpieError } from '../../base/errors.ts';
import type { Bytes } from '../../base/bytes.ts';

export class ByteSource {
  readonly #chunks: AsyncIterator<Bytes>;
  #rest: Bytes = new Uint8Array(0);

  constructor(chunks: AsyncIterable<Bytes>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** The next 1 to `length` bytes, without a copy, or null at the end. They are valid until the next call. */
  async next(length: number): Promise<Bytes | null> {
    while (this.#rest.byteLength === 0) {
      const step = await this.#chunks.next();
      if (step.done === true) return null;
      this.#rest = step.value;
    }
    const taken = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(taken.byteLength);
    return taken;
  }

  /** Exactly `length` bytes, or null when the stream has ended before the first. */
  async exactly(length: number): Promise<Bytes | null> {
    const bytes = new Uint8Array(length);
    let filled = 0;
    while (filled < length) {
      const part = await this.next(length - filled);
      if (part === null && filled === 0) return null;
      if (part === null)
        throw new KelpieError(
          'image_build_failed',
          'A package ends in the middle; remove it from the cache.',
        );
      bytes.set(part, filled);
      filled += part.byteLength;
    }
    return bytes;
  }

  /** Stops the stream. */
  async close(): Promise<void> {
    await this.#chunks.return?.();
  }
}
