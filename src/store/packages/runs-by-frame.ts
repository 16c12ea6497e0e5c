import { assert } from '../../base/assert.ts';
import { at } from '../../snapshot/mapped-runs.ts';
import type { StoreMap, StoreRun } from './store-map.ts';

/** The runs of a map by frame, where the map has them by page. Two arrays of numbers, since a large map has millions of runs. */
export class RunsByFrame {
  /** Pages of all runs. */
  readonly pages: number;
  readonly #map: StoreMap;
  /** Indexes of runs, those of one frame together. */
  readonly #order: Uint32Array;
  /** Where those of a frame begin in the order; one entry more than there are frames. */
  readonly #starts: Uint32Array;

  constructor(map: StoreMap) {
    const { frame } = map.columns;
    const starts = new Uint32Array(map.frames.length + 1);
    for (const index of frame) starts[index + 1] = (starts[index + 1] ?? 0) + 1;
    for (let index = 1; index < starts.length; index += 1)
      starts[index] = at(starts, index) + at(starts, index - 1);
    const next = starts.slice();
    const order = new Uint32Array(map.runCount);
    for (const [run, index] of frame.entries()) {
      order[at(next, index)] = run;
      next[index] = at(next, index) + 1;
    }
    this.#map = map;
    this.#order = order;
    this.#starts = starts;
    this.pages = map.pages;
  }

  /** In the order of the frame's pages. */
  of(frame: number): readonly StoreRun[] {
    return Array.from(this.#runsOf(frame)).toSorted((a, b) => a.framePage - b.framePage);
  }

  /** How many pages of the map are in a frame. */
  pagesOf(frame: number): number {
    let pages = 0;
    for (const { count } of this.#runsOf(frame)) pages += count;
    return pages;
  }

  *#runsOf(frame: number): Generator<StoreRun> {
    assert(frame >= 0 && frame < this.#map.frames.length, 'the frame is of the map');
    for (let index = at(this.#starts, frame); index < at(this.#starts, frame + 1); index += 1)
      yield this.#map.run(at(this.#order, index));
  }
}
