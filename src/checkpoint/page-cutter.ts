/**
 * Cuts bytes into pages so that as many as can be are pages of the checkpoint before, wherever they lie now:
 *
 *     every 4 KiB ──known──▶ the page as it was
 *         └─unknown─▶ a known page begins within it ──▶ a short page up to there, and a new grid from there on
 *                          └─none─▶ a new page
 *
 * So what is overwritten in place costs the pages that were touched, and what is inserted costs itself and a page or two. Where nothing is known, which is the
 * first time, there is one grid and nothing is looked for.
 */
import type { Bytes } from '../base/bytes.ts';
import { PAGE_BYTES } from '../base/units.ts';
import type { Compute } from '../env/compute.ts';
import type { KnownPages } from './known-pages.ts';
import { movedSum, pageSum } from './rolling-sum.ts';

const BUFFER_BYTES = 64 * PAGE_BYTES;
/** To look for a page that begins within another, all of it must be there. */
const AHEAD_BYTES = 2 * PAGE_BYTES;

export interface CutPages {
  /** The next page, valid until this resolves; a short one ends its grid. `key` is that of the page, and null when it is short, or zeros. */
  readonly add: (page: Bytes, key: string | null) => Promise<void>;
}

export class PageCutter {
  readonly #compute: Pick<Compute, 'isZero'>;
  readonly #known: KnownPages;
  readonly #pages: CutPages;
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  #start = 0;
  #filled = 0;

  constructor(compute: Pick<Compute, 'isZero'>, known: KnownPages, pages: CutPages) {
    this.#compute = compute;
    this.#known = known;
    this.#pages = pages;
  }

  async write(bytes: Bytes): Promise<void> {
    for (let taken = 0; taken < bytes.byteLength;) {
      if (this.#filled === BUFFER_BYTES) this.#makeRoom();
      const part = bytes.subarray(taken, taken + BUFFER_BYTES - this.#filled);
      this.#buffer.set(part, this.#filled);
      this.#filled += part.byteLength;
      taken += part.byteLength;
      while (this.#filled - this.#start >= AHEAD_BYTES) await this.#next();
    }
  }

  /** What is left. The next bytes begin a grid of their own. */
  async end(): Promise<void> {
    while (this.#filled - this.#start >= PAGE_BYTES) await this.#next();
    if (this.#filled > this.#start) await this.#take(this.#filled - this.#start, null);
    this.#start = 0;
    this.#filled = 0;
  }

  /** One page, or a short one. */
  async #next(): Promise<void> {
    const page = this.#buffer.subarray(this.#start, this.#start + PAGE_BYTES);
    if (this.#compute.isZero(page)) {
      await this.#take(PAGE_BYTES, null);
      return;
    }
    const key = this.#known.keyOf(page);
    const begins = this.#known.find(key) === null ? this.#findWithin() : 0;
    if (begins > 0) await this.#take(begins, null);
    else await this.#take(PAGE_BYTES, key);
  }

  /** How far into the page at the start a known one begins; 0 when none does. */
  #findWithin(): number {
    const { sums } = this.#known;
    if (sums.isEmpty) return 0;
    const buffer = this.#buffer;
    const last = Math.min(PAGE_BYTES - 1, this.#filled - this.#start - PAGE_BYTES);
    let sum = pageSum(buffer, this.#start);
    for (let ahead = 1; ahead <= last; ahead += 1) {
      const at = this.#start + ahead;
      sum = movedSum(sum, buffer[at - 1] ?? 0, buffer[at + PAGE_BYTES - 1] ?? 0);
      if (!sums.has(sum)) continue;
      const key = this.#known.keyOf(buffer.subarray(at, at + PAGE_BYTES));
      if (this.#known.find(key) !== null) return ahead;
    }
    return 0;
  }

  async #take(length: number, key: string | null): Promise<void> {
    await this.#pages.add(this.#buffer.subarray(this.#start, this.#start + length), key);
    this.#start += length;
  }

  #makeRoom(): void {
    this.#buffer.copyWithin(0, this.#start, this.#filled);
    this.#filled -= this.#start;
    this.#start = 0;
  }
}
