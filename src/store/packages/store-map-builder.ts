import { assert, defined } from '../../base/assert.ts';
import { FRAME_PAGES } from './limits.ts';
import { packText } from './pack-name.ts';
import { PAGE_BYTES } from '../../base/units.ts';
import { PAGES_MAX } from '../../snapshot/limits.ts';
import { compareFrames } from './frame-table.ts';
import { StoreMap } from './store-map.ts';
import type { FrameInfo } from './store-map.ts';
import { Uint32Column } from './uint32-column.ts';

/** Makes a `StoreMap` of runs that come in ascending order; the frames may come in any. */
export class StoreMapBuilder {
  readonly #pageCount: number;
  readonly #frames: FrameInfo[] = [];
  readonly #indexes = new Map<string, number>();
  readonly #first = new Uint32Column();
  readonly #count = new Uint32Column();
  readonly #frame = new Uint32Column();
  readonly #framePage = new Uint32Column();
  #endPage = 0;

  constructor(pageCount: number) {
    assert(
      Number.isInteger(pageCount) && pageCount >= 1 && pageCount <= PAGES_MAX,
      'a map has pages, within bounds',
    );
    this.#pageCount = pageCount;
  }

  get runCount(): number {
    return this.#first.length;
  }

  /** @returns what `append` calls the frame; the same for the same place. */
  frame(info: FrameInfo): number {
    const place = `${packText(info.pack)}/${info.number}`;
    const known = this.#indexes.get(place);
    if (known !== undefined) return known;
    this.#frames.push(info);
    this.#indexes.set(place, this.#frames.length - 1);
    return this.#frames.length - 1;
  }

  /** Adds `count` pages from `firstPage` on, which lies at or after the end of what was added before. */
  append(firstPage: number, count: number, frame: number, framePage: number): void {
    assert(firstPage >= this.#endPage && count >= 1, 'runs are appended in ascending order');
    assert(firstPage + count <= this.#pageCount, 'a run lies inside the map');
    const { rawBytes } = defined(this.#frames[frame], 'the frame of a run');
    assert(
      framePage + count <= FRAME_PAGES && (framePage + count) * PAGE_BYTES <= rawBytes,
      'a run lies inside its frame',
    );
    if (this.#continues(firstPage, frame, framePage)) {
      this.#count.setLast(this.#count.last() + count);
    } else {
      this.#first.push(firstPage);
      this.#count.push(count);
      this.#frame.push(frame);
      this.#framePage.push(framePage);
    }
    this.#endPage = firstPage + count;
  }

  /** The builder is spent. Frames that no run uses are left out. */
  finish(): StoreMap {
    const used = new Set<number>();
    const frame = this.#frame.finish();
    for (const index of frame) used.add(index);
    const order = [...used].toSorted((a, b) => compareFrames(this.#info(a), this.#info(b)));
    const renumbered = new Uint32Array(this.#frames.length);
    for (const [index, old] of order.entries()) renumbered[old] = index;
    return new StoreMap(
      this.#pageCount,
      order.map((index) => this.#info(index)),
      {
        first: this.#first.finish(),
        count: this.#count.finish(),
        frame: frame.map((old) => defined(renumbered[old], 'the number of a frame')),
        framePage: this.#framePage.finish(),
      },
    );
  }

  #continues(firstPage: number, frame: number, framePage: number): boolean {
    if (this.#first.length === 0 || firstPage !== this.#endPage || this.#frame.last() !== frame) return false;
    return this.#framePage.last() + this.#count.last() === framePage;
  }

  #info(index: number): FrameInfo {
    return defined(this.#frames[index], 'a frame');
  }
}
