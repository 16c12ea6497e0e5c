import { assert } from '../base/assert.ts';
import { PAGES_MAX } from './limits.ts';

/** A stretch of pages. */
export interface PageRun {
  readonly firstPage: number;
  readonly count: number;
}

const CAPACITY_START = 1024;

/**
 * A set of pages as ascending runs that neither overlap nor touch. Immutable; made by `PageRunsBuilder`. It is two typed
 * arrays, since a scan of a large memory gives tens of thousands of runs inside a pause.
 */
export class PageRuns {
  static readonly none: PageRuns = new PageRuns(new Uint32Array(0), new Uint32Array(0));

  /** How many pages there are in all. */
  readonly pages: number;
  readonly #first: Uint32Array;
  readonly #count: Uint32Array;

  /** For `PageRunsBuilder` alone: takes the arrays over. */
  constructor(first: Uint32Array, count: Uint32Array) {
    assert(first.length === count.length, 'each run has a start and a length');
    this.#first = first;
    this.#count = count;
    let pages = 0;
    for (const pagesOfRun of count) pages += pagesOfRun;
    this.pages = pages;
  }

  static of(runs: Iterable<PageRun>): PageRuns {
    const builder = new PageRunsBuilder();
    for (const run of runs) builder.append(run.firstPage, run.count);
    return builder.finish();
  }

  /** How many runs there are. */
  get length(): number {
    return this.#first.length;
  }

  /** First page of the run at `index`. */
  firstPage(index: number): number {
    const page = this.#first[index];
    assert(page !== undefined, 'the index names a run');
    return page;
  }

  /** Pages of the run at `index`. */
  count(index: number): number {
    const count = this.#count[index];
    assert(count !== undefined, 'the index names a run');
    return count;
  }

  /** The page after the last one; 0 when there is none. */
  get endPage(): number {
    const last = this.length - 1;
    return last < 0 ? 0 : this.firstPage(last) + this.count(last);
  }

  *[Symbol.iterator](): Generator<PageRun> {
    for (let index = 0; index < this.length; index += 1) {
      yield { firstPage: this.firstPage(index), count: this.count(index) };
    }
  }
}

/** Collects pages in ascending order; runs that touch become one. */
export class PageRunsBuilder {
  #first = new Uint32Array(CAPACITY_START);
  #count = new Uint32Array(CAPACITY_START);
  #length = 0;
  #endPage = 0;

  /** Adds `count` ≥ 1 pages from `firstPage`, which lies at or after the end of what was added before. */
  append(firstPage: number, count = 1): void {
    assert(firstPage >= this.#endPage && count >= 1, 'pages are appended in ascending order');
    assert(firstPage + count <= PAGES_MAX, 'pages lie inside the largest memory or disk');
    const last = this.#length - 1;
    if (firstPage === this.#endPage && last >= 0) {
      this.#count[last] = (this.#count[last] ?? 0) + count;
    } else {
      if (this.#length === this.#first.length) this.#grow();
      this.#first[this.#length] = firstPage;
      this.#count[this.#length] = count;
      this.#length += 1;
    }
    this.#endPage = firstPage + count;
  }

  /** The runs so far; the builder may go on afterwards. */
  finish(): PageRuns {
    return new PageRuns(this.#first.slice(0, this.#length), this.#count.slice(0, this.#length));
  }

  #grow(): void {
    const first = new Uint32Array(this.#first.length * 2);
    const count = new Uint32Array(this.#count.length * 2);
    first.set(this.#first);
    count.set(this.#count);
    this.#first = first;
    this.#count = count;
  }
}
