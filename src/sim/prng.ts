/**
 * Seeded randomness of a simulation: sfc32, with streams that are split off by name, so that one more draw in one place
 * changes nothing in another.
 */
import { assert } from '../base/assert.ts';
import type { Bytes } from '../base/bytes.ts';
import { fnv1a } from './rolling-hash.ts';

export class Prng {
  #a: number;
  #b: number;
  #c: number;
  #d = 1;

  private constructor(a: number, b: number, c: number) {
    this.#a = a;
    this.#b = b;
    this.#c = c;
    for (let round = 0; round < 12; round += 1) this.uint32();
  }

  static fromSeed(seed: number): Prng {
    assert(Number.isSafeInteger(seed) && seed >= 0, 'a seed is a whole number');
    return new Prng(seed | 0, Math.floor(seed / 2 ** 32), 0x9e3779b9);
  }

  /** A stream of its own for each pair of a seed and a name, whatever else is drawn. */
  static named(seed: number, name: string): Prng {
    assert(Number.isSafeInteger(seed) && seed >= 0, 'a seed is a whole number');
    return new Prng(seed | 0, Math.floor(seed / 2 ** 32) ^ fnv1a(name), fnv1a(`${name}.`));
  }

  /** A stream of its own. Splitting twice by one name gives two different streams. */
  split(name: string): Prng {
    return new Prng(this.uint32(), this.uint32(), fnv1a(name));
  }

  uint32(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#d) | 0;
    this.#d = (this.#d + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum;
    this.#c |= 0;
    return sum >>> 0;
  }

  /** In [0, 1). */
  fraction(): number {
    return this.uint32() / 2 ** 32;
  }

  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  /** A whole number in [0, bound). */
  below(bound: number): number {
    assert(bound > 0, 'there is something to choose from');
    return Math.floor(this.fraction() * bound);
  }

  /** A whole number in [low, high]. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  /** One of a non-empty list. */
  pick<T>(choices: readonly T[]): T {
    const chosen = choices[this.below(choices.length)];
    assert(chosen !== undefined, 'the list has no holes');
    return chosen;
  }

  bytes(length: number): Bytes {
    const bytes = new Uint8Array(length);
    for (let index = 0; index < length; index += 4) {
      let word = this.uint32();
      for (let byte = index; byte < Math.min(index + 4, length); byte += 1) {
        bytes[byte] = word & 0xff;
        word >>>= 8;
      }
    }
    return bytes;
  }
}
