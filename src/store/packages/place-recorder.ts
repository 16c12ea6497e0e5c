/**
 * Writes down where pages of this host's files are, as their packs become durable: the next publish refers to them, also when this one is
 * cut. At most once in `PLACES_SAVE_MS`, since a file's map is written whole each time, and once more, for good, before the package is published.
 */
import { defined } from '../../base/assert.ts';
import type { Lane, TaskGroup } from '../../base/task-group.ts';
import type { Clock } from '../../env/clock.ts';
import { at } from '../../snapshot/mapped-runs.ts';
import { PLACES_SAVE_MS, PLACES_SAVE_REST } from './limits.ts';
import { overlayPlaces } from './overlay-places.ts';
import type { NewPlace } from './overlay-places.ts';
import { NO_FRAME } from './page-plan.ts';
import type { PagePlan } from './page-plan.ts';
import type { PlaceBook } from './place-book.ts';
import type { FrameInfo, StoreMap } from './store-map.ts';

/** Stretches that get their places one after the other. */
export interface PlaceTrack {
  /** The stretches from that one on, as far as they are known. */
  readonly from: (start: number) => PagePlan;
  /** Null while the frame is not durable. */
  readonly frameAt: (frame: number) => FrameInfo | null;
}

interface Track extends PlaceTrack {
  /** Stretches before it are all written down. */
  savedTo: number;
}

export class PlaceRecorder {
  readonly #clock: Clock;
  readonly #book: PlaceBook;
  readonly #saving: Lane;
  readonly #tracks: Track[] = [];
  readonly #known = new Map<string, StoreMap | null>();
  #nextSaveMs: number;
  #isSaving = false;

  /** @param group that ends when the book throws. */
  constructor(clock: Clock, book: PlaceBook, group: TaskGroup) {
    this.#clock = clock;
    this.#book = book;
    this.#saving = group.lane(1);
    this.#nextSaveMs = clock.monotonicMs() + PLACES_SAVE_MS;
  }

  add(track: PlaceTrack): void {
    this.#tracks.push({ ...track, savedTo: 0 });
  }

  /** Some frames became durable. Saves when the last time is long ago; the failure of it is the group's. */
  async moreIsDurable(): Promise<void> {
    if (this.#isSaving || this.#clock.monotonicMs() < this.#nextSaveMs) return;
    this.#isSaving = true;
    await this.#saving.begin(1, async () => {
      await this.save();
      this.#isSaving = false;
    });
  }

  /** Writes down all that is durable. Not while it runs already: the group's end is waited for before. */
  async save(): Promise<void> {
    const startedMs = this.#clock.monotonicMs();
    const news = new Map<string, NewPlace[]>();
    for (const track of this.#tracks) collect(track, news);
    for (const [file, places] of news) {
      if (!this.#known.has(file)) this.#known.set(file, await this.#book.of(file));
      const known = this.#known.get(file) ?? null;
      const ordered = places.toSorted((a, b) => a.firstPage - b.firstPage);
      const last = defined(ordered.at(-1), 'a place of the file');
      const map = overlayPlaces(known, last.firstPage + last.count, ordered);
      await this.#book.set(file, map);
      this.#known.set(file, map);
    }
    const savedMs = this.#clock.monotonicMs();
    this.#nextSaveMs = savedMs + Math.max(PLACES_SAVE_MS, (savedMs - startedMs) * PLACES_SAVE_REST);
  }

  /** `save`, and what was written down outlasts a power cut. */
  async settle(): Promise<void> {
    await this.save();
    await this.#book.settle([...this.#known.keys()]);
  }
}

/** What is durable and was not written down yet; a stretch may come twice when one before it was late. */
function collect(track: Track, news: Map<string, NewPlace[]>): void {
  const { files, columns } = track.from(track.savedTo);
  let isWhole = true;
  for (let index = 0; index < columns.first.length; index += 1) {
    const frameIndex = at(columns.frame, index);
    const frame = frameIndex === NO_FRAME ? null : track.frameAt(frameIndex);
    isWhole &&= frame !== null || frameIndex === NO_FRAME;
    if (isWhole) track.savedTo += 1;
    if (frame === null) continue;
    const file = defined(files[at(columns.file, index)], 'the file of a stretch');
    const places = news.get(file) ?? [];
    news.set(file, places);
    places.push({
      firstPage: at(columns.source, index),
      count: at(columns.count, index),
      frame,
      framePage: at(columns.framePage, index),
    });
  }
}
