import { assert, defined } from '../../base/assert.ts';
import type { FrameCodec } from '../../env/compute.ts';
import { PageRuns } from '../../snapshot/page-runs.ts';
import type { PackName } from './pack-name.ts';

/** One frame: pages that were compressed, sealed and digested together. */
export interface FrameInfo {
  readonly pack: PackName;
  /** Of the pack, from 0. */
  readonly number: number;
  /** First stored byte in the pack. */
  readonly offset: number;
  readonly storedBytes: number;
  readonly rawBytes: number;
  readonly codec: FrameCodec;
  /** Of the stored bytes. */
  readonly sha256: string;
}

/** `count` pages from `firstPage` on are in a frame from its page `framePage` on. */
export interface StoreRun {
  readonly firstPage: number;
  readonly count: number;
  /** Index in the map's frames. */
  readonly frame: number;
  readonly framePage: number;
}

/**
 * Where each page of a memory, a disk or a local file is in a store: in a frame, or nowhere when it is all zeros. Complete by itself and
 * immutable. Runs are ascending, do not overlap, and are joined where both sides go on; every frame in the table is used, and the table is in
 * the order of packs and of numbers (`compareFrames`).
 */
export class StoreMap {
  readonly pageCount: number;
  readonly frames: readonly FrameInfo[];
  readonly #first: Uint32Array;
  readonly #count: Uint32Array;
  readonly #frame: Uint32Array;
  readonly #framePage: Uint32Array;

  /** For `StoreMapBuilder` and the codec alone: takes the columns over. */
  constructor(pageCount: number, frames: readonly FrameInfo[], columns: StoreRunColumns) {
    this.pageCount = pageCount;
    this.frames = frames;
    this.#first = columns.first;
    this.#count = columns.count;
    this.#frame = columns.frame;
    this.#framePage = columns.framePage;
    assert(
      this.#count.length === this.#first.length && this.#frame.length === this.#first.length,
      'columns have one length',
    );
  }

  get runCount(): number {
    return this.#first.length;
  }

  get columns(): StoreRunColumns {
    return { first: this.#first, count: this.#count, frame: this.#frame, framePage: this.#framePage };
  }

  /** Pages that are not zero. */
  get pages(): number {
    return this.#count.reduce((sum, pages) => sum + pages, 0);
  }

  /** Where a page is; null when it is zero. */
  find(page: number): { readonly frame: number; readonly framePage: number } | null {
    assert(page >= 0 && page < this.pageCount, 'the page lies inside the map');
    const index = this.firstRunAfter(page);
    if (index === this.runCount) return null;
    const { firstPage, frame, framePage } = this.run(index);
    return page < firstPage ? null : { frame, framePage: framePage + (page - firstPage) };
  }

  /** Index of the first run that ends after `page`: it has the page, or is the next after it; `runCount` when there is none. */
  firstRunAfter(page: number): number {
    let low = 0;
    let high = this.runCount;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (defined(this.#first[middle], 'a run') + defined(this.#count[middle], 'a run') <= page)
        low = middle + 1;
      else high = middle;
    }
    return low;
  }

  run(index: number): StoreRun {
    return {
      firstPage: defined(this.#first[index], 'a run'),
      count: defined(this.#count[index], 'a run'),
      frame: defined(this.#frame[index], 'a run'),
      framePage: defined(this.#framePage[index], 'a run'),
    };
  }

  /** Ascending by page. */
  *runs(): Generator<StoreRun> {
    for (let index = 0; index < this.runCount; index += 1) yield this.run(index);
  }

  /** Those of the pages that are not zero. */
  nonZeroRuns(): PageRuns {
    return PageRuns.of(this.runs());
  }
}

export interface StoreRunColumns {
  readonly first: Uint32Array;
  readonly count: Uint32Array;
  readonly frame: Uint32Array;
  readonly framePage: Uint32Array;
}
