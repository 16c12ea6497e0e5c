import { assert } from '../../base/assert.ts';
import { at } from '../../snapshot/mapped-runs.ts';
import { Uint32Column } from './uint32-column.ts';

/** Where there is no frame. */
export const NO_FRAME = 0xffff_ffff;

/** Stretches of a memory or disk, as columns of one length. */
export interface PlanColumns {
  readonly first: Uint32Array;
  readonly count: Uint32Array;
  /** Index of the file of this host that has the pages, in the plan's files. */
  readonly file: Uint32Array;
  /** Page of that file where the stretch begins. */
  readonly source: Uint32Array;
  /** What has the pages in the store: an index that the plan's user knows, or `NO_FRAME`. */
  readonly frame: Uint32Array;
  /** Page of the frame where the stretch begins; without a frame, it means nothing. */
  readonly framePage: Uint32Array;
}

/** Where pages that are not zero are, on this host and in the store, ascending and without overlap. Numbers in columns: a large memory has millions. */
export interface PagePlan {
  readonly files: readonly string[];
  readonly columns: PlanColumns;
}

export class PagePlanBuilder {
  readonly #files: readonly string[];
  readonly #first = new Uint32Column();
  readonly #count = new Uint32Column();
  readonly #file = new Uint32Column();
  readonly #source = new Uint32Column();
  readonly #frame = new Uint32Column();
  readonly #framePage = new Uint32Column();
  #endPage = 0;

  constructor(files: readonly string[]) {
    this.#files = files;
  }

  get length(): number {
    return this.#first.length;
  }

  /** Adds a stretch that has no frame yet. */
  append(firstPage: number, count: number, file: number, source: number): void {
    assert(firstPage >= this.#endPage && count >= 1, 'stretches are appended in ascending order');
    this.#first.push(firstPage);
    this.#count.push(count);
    this.#file.push(file);
    this.#source.push(source);
    this.#frame.push(NO_FRAME);
    this.#framePage.push(0);
    this.#endPage = firstPage + count;
  }

  /** Says where the stretch that was appended last is in the store. */
  place(frame: number, framePage: number): void {
    this.#frame.setLast(frame);
    this.#framePage.setLast(framePage);
  }

  /** What was appended so far, from stretch `start` on; the builder may go on. */
  finish(start = 0): PagePlan {
    const columns = {
      first: this.#first.finish(start),
      count: this.#count.finish(start),
      file: this.#file.finish(start),
      source: this.#source.finish(start),
      frame: this.#frame.finish(start),
      framePage: this.#framePage.finish(start),
    };
    return { files: this.#files, columns };
  }
}

/** The plan without the stretches before `start`. */
export function stretchesFrom({ files, columns }: PagePlan, start: number): PagePlan {
  const { first, count, file, source, frame, framePage } = columns;
  return {
    files,
    columns: {
      first: first.subarray(start),
      count: count.subarray(start),
      file: file.subarray(start),
      source: source.subarray(start),
      frame: frame.subarray(start),
      framePage: framePage.subarray(start),
    },
  };
}

/** Pages of a plan. */
export function plannedPages({ columns }: PagePlan): number {
  let pages = 0;
  for (const count of columns.count) pages += count;
  return pages;
}

/** Pages of a plan that no frame has. */
export function unplacedPages({ columns }: PagePlan): number {
  let pages = 0;
  for (let index = 0; index < columns.count.length; index += 1)
    if (columns.frame[index] === NO_FRAME) pages += at(columns.count, index);
  return pages;
}
