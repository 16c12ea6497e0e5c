/** What of a memory or disk is in the store already, by what this host remembers of its files. */
import { at } from '../../snapshot/mapped-runs.ts';
import type { PageMap } from '../../snapshot/page-map.ts';
import type { FrameCandidates } from './frame-candidates.ts';
import { PagePlanBuilder } from './page-plan.ts';
import type { PagePlan } from './page-plan.ts';
import type { PlaceBook } from './place-book.ts';
import type { StoreMap } from './store-map.ts';

interface KnownPlaces {
  readonly map: StoreMap;
  /** What the candidates call each of the map's frames. */
  readonly frames: Uint32Array;
}

/** The book, each page of it read once. */
export class KnownFiles {
  readonly #book: Pick<PlaceBook, 'of'>;
  readonly #candidates: FrameCandidates;
  readonly #known = new Map<string, KnownPlaces | null>();

  constructor(book: Pick<PlaceBook, 'of'>, candidates: FrameCandidates) {
    this.#book = book;
    this.#candidates = candidates;
  }

  /** Null when nothing is known. */
  async of(file: string): Promise<KnownPlaces | null> {
    const read = this.#known.get(file);
    if (read !== undefined) return read;
    const map = await this.#book.of(file);
    const known = map === null ? null : { map, frames: this.#candidates.addAll(map) };
    this.#known.set(file, known);
    return known;
  }
}

/** Each page that is not zero, with its place in the store where one is known. */
export async function planPages(map: PageMap, known: KnownFiles): Promise<PagePlan> {
  const places: (KnownPlaces | null)[] = [];
  for (const file of map.pageFiles) places.push(await known.of(file));
  const { first, count, file, source } = map.columns;
  const plan = new PagePlanBuilder(map.pageFiles);
  for (let index = 0; index < first.length; index += 1) {
    const run = {
      firstPage: at(first, index),
      count: at(count, index),
      file: at(file, index),
      source: at(source, index),
    };
    appendRun(plan, run, places[run.file] ?? null);
  }
  return plan.finish();
}

interface LocalRun {
  readonly firstPage: number;
  readonly count: number;
  readonly file: number;
  readonly source: number;
}

/** Cuts a run where it goes from one known place to another, or to pages of which nothing is known. */
function appendRun(plan: PagePlanBuilder, run: LocalRun, known: KnownPlaces | null): void {
  const { firstPage, count, file, source } = run;
  if (known === null) {
    plan.append(firstPage, count, file, source);
    return;
  }
  const { map, frames } = known;
  const columns = map.columns;
  for (let done = 0, index = map.firstRunAfter(source); done < count;) {
    const page = source + done;
    const runPage = index < map.runCount ? at(columns.first, index) : Infinity;
    if (runPage > page) {
      const gap = Math.min(count - done, runPage - page);
      plan.append(firstPage + done, gap, file, page);
      done += gap;
      continue;
    }
    const skipped = page - runPage;
    const placed = Math.min(count - done, at(columns.count, index) - skipped);
    plan.append(firstPage + done, placed, file, page);
    plan.place(at(frames, at(columns.frame, index)), at(columns.framePage, index) + skipped);
    done += placed;
    index += 1;
  }
}
