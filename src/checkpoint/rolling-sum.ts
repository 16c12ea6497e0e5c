/**
 * A weak sum over the bytes of a page that can be moved on by one byte at a time (A. Tridgell, P. Mackerras: The rsync algorithm, 1996): it says quickly
 * where a page cannot be, and a digest says whether it is there.
 */
import type { Bytes } from '../base/bytes.ts';
import { PAGE_BYTES } from '../base/units.ts';

const HALF = 0xffff;
/** Bits of the first filter: a miss there, which is the rule, costs no look-up. */
const FILTER_BITS = 24;
/** 2³² by the golden ratio: spreads sums that differ in few bits. */
const SPREAD = 0x9e37_79b1;

/** Of the page that begins at `start`. */
export function pageSum(bytes: Bytes, start: number): number {
  let low = 0;
  let high = 0;
  for (let index = start; index < start + PAGE_BYTES; index += 1) {
    low += bytes[index] ?? 0;
    high += low;
  }
  return (((high & HALF) << 16) | (low & HALF)) >>> 0;
}

/** Of the page one byte further: `gone` was its first byte, `come` is its last. */
export function movedSum(sum: number, gone: number, come: number): number {
  const low = (sum - gone + come) & HALF;
  const high = ((sum >>> 16) - PAGE_BYTES * gone + low) & HALF;
  return ((high << 16) | low) >>> 0;
}

/** The sums of many pages. */
export class PageSums {
  readonly #filter = new Uint8Array(2 ** (FILTER_BITS - 3));
  readonly #sums = new Set<number>();

  get isEmpty(): boolean {
    return this.#sums.size === 0;
  }

  add(sum: number): void {
    const bit = slotOf(sum);
    this.#filter[bit >>> 3] = (this.#filter[bit >>> 3] ?? 0) | (1 << (bit & 7));
    this.#sums.add(sum);
  }

  has(sum: number): boolean {
    const bit = slotOf(sum);
    return ((this.#filter[bit >>> 3] ?? 0) & (1 << (bit & 7))) !== 0 && this.#sums.has(sum);
  }
}

function slotOf(sum: number): number {
  return Math.imul(sum, SPREAD) >>> (32 - FILTER_BITS);
}
