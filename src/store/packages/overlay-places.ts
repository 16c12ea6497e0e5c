import { defined } from '../../base/assert.ts';
import { StoreMapBuilder } from './store-map-builder.ts';
import type { FrameInfo, StoreMap } from './store-map.ts';

/** Pages of a file, side by side in a frame. */
export interface NewPlace {
  readonly firstPage: number;
  readonly count: number;
  readonly frame: FrameInfo;
  readonly framePage: number;
}

/**
 * `known`, with `places` instead of what it says of their pages.
 * @param places ascending; where two name the same page, the first counts.
 */
export function overlayPlaces(
  known: StoreMap | null,
  pageCount: number,
  places: readonly NewPlace[],
): StoreMap {
  const builder = new StoreMapBuilder(Math.max(pageCount, known?.pageCount ?? 1));
  const below = new KnownCursor(known, builder);
  let endPage = 0;
  for (const { firstPage, count, frame, framePage } of places) {
    const skipped = Math.max(0, endPage - firstPage);
    if (skipped >= count) continue;
    below.copyUntil(firstPage + skipped);
    builder.append(firstPage + skipped, count - skipped, builder.frame(frame), framePage + skipped);
    endPage = firstPage + count;
    below.skipUntil(endPage);
  }
  below.copyUntil(Infinity);
  return builder.finish();
}

/** Walks the known map once, copying or leaving out what lies before a page. */
class KnownCursor {
  readonly #known: StoreMap;
  readonly #builder: StoreMapBuilder;
  #index = 0;
  /** The next page that is neither copied nor left out. */
  #page = 0;

  constructor(known: StoreMap | null, builder: StoreMapBuilder) {
    this.#known = known ?? new StoreMapBuilder(1).finish();
    this.#builder = builder;
  }

  copyUntil(end: number): void {
    while (this.#index < this.#known.runCount) {
      const { firstPage, count, frame, framePage } = this.#known.run(this.#index);
      const start = Math.max(firstPage, this.#page);
      const stop = Math.min(firstPage + count, end);
      if (start < stop) {
        const info = defined(this.#known.frames[frame], 'the frame of a run');
        this.#builder.append(start, stop - start, this.#builder.frame(info), framePage + (start - firstPage));
      }
      if (firstPage + count > end) break;
      this.#index += 1;
    }
    this.#page = end;
  }

  skipUntil(page: number): void {
    this.#page = page;
  }
}
