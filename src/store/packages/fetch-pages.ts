/**
 * Every page of a map, from the store to its place in a file:
 *
 *     frames by place ─▶ ranges ─▶ several requests at once ─▶ threads check and unpack frames, and write their pages to the target
 *           │                                                            └─ every few seconds: sync, then the journal
 *           └─ those whose pages are in files of this host ─▶ proven, and written; or fetched after all (`reuse-pages.ts`)
 */
import { canceledError } from '../../base/cancel.ts';
import { inParallel } from '../../base/in-parallel.ts';
import { PAGE_BYTES } from '../../base/units.ts';
import type { Clock } from '../../env/clock.ts';
import type { FileHandle } from '../../env/files.ts';
import { localFailure } from '../../snapshot/local-failure.ts';
import type { FetchSources, LocalPageFiles, TransferOptions } from '../teleport-storage.ts';
import { FetchCheckpoints } from './fetch-checkpoints.ts';
import { planRanges } from './frame-ranges.ts';
import { RANGES_AT_ONCE } from './frame-reader.ts';
import type { FrameReader, FrameSink } from './frame-reader.ts';
import { LocalFrames } from './local-frames.ts';
import { reusePages } from './reuse-pages.ts';
import type { ReusedFrames } from './reuse-pages.ts';
import { RunsByFrame } from './runs-by-frame.ts';
import type { StoreMap } from './store-map.ts';

export interface FetchPagesOptions extends TransferOptions, FetchSources {}

interface ItemOptions extends FetchPagesOptions {
  /** For progress: `memory`. */
  readonly item: string;
}

/** `OpenPackage.fetchPages` has the contract. When this settles, nothing writes to `target` any more. */
export async function fetchPages(
  { clock }: { readonly clock: Pick<Clock, 'monotonicMs'> },
  reader: FrameReader,
  map: StoreMap,
  target: FileHandle,
  options: ItemOptions,
): Promise<void> {
  const { item, signal, journal, local } = options;
  const checkpoints = journal === undefined ? null : new FetchCheckpoints(clock, target, journal);
  const fetch = new PageFetch(reader, map, target, checkpoints, options);
  try {
    if (local === undefined) await fetch.frames(fetch.wanted, signal);
    else await fetch.framesBeside(local);
  } catch (error) {
    await checkpoints?.keepWhatThereIs();
    if (signal?.aborted === true) throw canceledError(signal, `fetching the ${item}`);
    throw localFailure(error, `write the ${item} of the package`);
  } finally {
    reader.release();
  }
}

class PageFetch {
  /** Frames that are not in the target yet, ascending. */
  readonly wanted: readonly number[];
  readonly #reader: FrameReader;
  readonly #map: StoreMap;
  readonly #runs: RunsByFrame;
  readonly #sink: FrameSink;
  readonly #options: ItemOptions;
  readonly #totalBytes: number;
  #doneBytes: number;
  #movedBytes = 0;

  constructor(
    reader: FrameReader,
    map: StoreMap,
    target: FileHandle,
    checkpoints: FetchCheckpoints | null,
    options: ItemOptions,
  ) {
    const runs = new RunsByFrame(map);
    this.wanted = Array.from(map.frames.keys()).filter((frame) => options.journal?.isDone(frame) !== true);
    this.#reader = reader;
    this.#map = map;
    this.#runs = runs;
    this.#options = options;
    this.#totalBytes = runs.pages * PAGE_BYTES;
    this.#doneBytes = this.#totalBytes - this.#bytesOf(this.wanted);
    this.#sink = {
      file: target,
      placesOf: (frame) =>
        runs.of(frame).map(({ firstPage, count, framePage }) => ({
          start: framePage * PAGE_BYTES,
          length: count * PAGE_BYTES,
          offset: firstPage * PAGE_BYTES,
        })),
      arrived: (bytes) => void (this.#movedBytes += bytes),
      wrote: async (frame) => {
        this.#doneBytes += this.#bytesOf([frame]);
        const [doneBytes, movedBytes] = [this.#doneBytes, this.#movedBytes];
        options.onProgress?.({ item: options.item, doneBytes, totalBytes: this.#totalBytes, movedBytes });
        await checkpoints?.wrote(frame);
      },
    };
  }

  /** Fetches these, in their order. */
  async frames(frames: readonly number[], signal: AbortSignal | undefined): Promise<void> {
    await inParallel(
      planRanges(this.#map.frames, frames),
      RANGES_AT_ONCE,
      async (range, stop) => await this.#reader.write(this.#map.frames, range, this.#sink, { signal: stop }),
      signal,
    );
  }

  /** All that are wanted: what this host has is proven while the network brings the rest. */
  async framesBeside(local: LocalPageFiles): Promise<void> {
    const { item, signal } = this.#options;
    const here = new LocalFrames(this.#map.frames, this.wanted);
    for await (const { file, places } of local.places()) here.add(file, places);
    const whole = new Set(here.whole);
    const rest = this.wanted.filter((frame) => !whole.has(frame));
    const files = local.open();
    let reused: ReusedFrames = { proven: [], doubted: [], cause: null };
    const reuse = async (stop: AbortSignal): Promise<void> => {
      const request = { table: this.#map.frames, here, files, sink: this.#sink };
      reused = await reusePages(this.#reader, request, { signal: stop });
    };
    const fetchRest = async (stop: AbortSignal): Promise<void> => await this.frames(rest, stop);
    try {
      await inParallel([fetchRest, reuse], 2, async (act, stop) => await act(stop), signal);
    } finally {
      await files.close();
    }
    const { proven, doubted, cause } = reused;
    await this.frames(
      doubted.toSorted((a, b) => a - b),
      signal,
    );
    local.used({ item, usedBytes: this.#bytesOf(proven), doubtedFrames: doubted.length, cause });
  }

  #bytesOf(frames: readonly number[]): number {
    return frames.reduce((sum, frame) => sum + this.#runs.pagesOf(frame), 0) * PAGE_BYTES;
  }
}
