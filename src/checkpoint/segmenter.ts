/**
 * Cuts bytes where their contents say so, by a rolling sum over the last 32 of them: after an insertion the cuts fall where they fell before, and what lies
 * behind it is found again. Each segment begins on a page of its own, so what is overwritten in place costs the pages that were touched, and what is
 * inserted costs the rest of one segment.
 */
import type { Bytes } from '../base/bytes.ts';
import { SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN, SEGMENT_CUT_BITS } from './limits.ts';

/** A number for each byte, the same in every version: other numbers would cut everything elsewhere. */
const sums: Uint32Array = makeSums();

export class Segmenter {
  readonly #onSegment: (bytes: Bytes) => Promise<void>;
  readonly #buffer = new Uint8Array(SEGMENT_BYTES_MAX);
  #filled = 0;
  /** How far the buffer was looked through. */
  #scanned = SEGMENT_BYTES_MIN;
  #sum = 0;

  /** @param onSegment gets bytes that are valid until it resolves. */
  constructor(onSegment: (bytes: Bytes) => Promise<void>) {
    this.#onSegment = onSegment;
  }

  async write(bytes: Bytes): Promise<void> {
    for (let taken = 0; taken < bytes.byteLength;) {
      const part = bytes.subarray(taken, taken + SEGMENT_BYTES_MAX - this.#filled);
      this.#buffer.set(part, this.#filled);
      this.#filled += part.byteLength;
      taken += part.byteLength;
      for (let cut = this.#cut(); cut > 0; cut = this.#cut()) await this.#emit(cut);
    }
  }

  /** What is left, however short. The next write begins anew. */
  async end(): Promise<void> {
    if (this.#filled > 0) await this.#emit(this.#filled);
  }

  /** The length of the segment at the start of the buffer; 0 when its end is not there yet. */
  #cut(): number {
    const buffer = this.#buffer;
    let sum = this.#sum;
    for (let index = this.#scanned; index < this.#filled; index += 1) {
      sum = ((sum << 1) + (sums[buffer[index] ?? 0] ?? 0)) | 0;
      if (sum >>> (32 - SEGMENT_CUT_BITS) === 0) return index + 1;
    }
    this.#scanned = Math.max(this.#scanned, this.#filled);
    this.#sum = sum;
    return this.#filled === SEGMENT_BYTES_MAX ? SEGMENT_BYTES_MAX : 0;
  }

  async #emit(length: number): Promise<void> {
    await this.#onSegment(this.#buffer.subarray(0, length));
    this.#buffer.copyWithin(0, length, this.#filled);
    this.#filled -= length;
    this.#scanned = SEGMENT_BYTES_MIN;
    this.#sum = 0;
  }
}

function makeSums(): Uint32Array {
  const made = new Uint32Array(256);
  let state = 0x9e37_79b9;
  for (let index = 0; index < made.length; index += 1) {
    // Marsaglia's xorshift, as often as its first words need to lose the seed's pattern.
    for (let turn = 0; turn < 8; turn += 1) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
    }
    made[index] = state >>> 0;
  }
  return made;
}
