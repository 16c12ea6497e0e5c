/**
 * The pages of a map one after the other, for those who cannot write each to its place: a file that is only appended to, a pipe.
 *
 *     runs in the order of pages ─▶ batches ─▶ frames fetched ahead, side by side ones together ─▶ bytes in the order of pages
 *                                      └─ what later batches need soonest is kept ──▲
 *
 * What one snapshot wrote lies together in its frames, wherever it is in the memory, so a frame serves pages far from each other. All runs are
 * known before the first is read, so what to keep is known too, not guessed. A frame that finds no room is fetched again.
 */
import { ahead } from '../../base/ahead.ts';
import { assert, defined } from '../../base/assert.ts';
import type { Bytes } from '../../base/bytes.ts';
import { canceledError, throwIfCanceled } from '../../base/cancel.ts';
import { inParallel } from '../../base/in-parallel.ts';
import { PAGE_BYTES } from '../../base/units.ts';
import { at } from '../../snapshot/mapped-runs.ts';
import { planRanges } from './frame-ranges.ts';
import type { FrameReader } from './frame-reader.ts';
import type { StreamOptions } from './read-stream.ts';
import type { StoreMap } from './store-map.ts';

/** Frames that are fetched together. With those of the batches ahead and those that are kept, at most 76 MiB of pages are held. */
export const BATCH_FRAMES_MAX = 4;
const BATCHES_AHEAD = 2;
/** Of each older package that pages of a memory are from, about one frame is in use at a time: few VMs have pages of more (docs/adr/0082). */
export const FRAMES_KEPT_MAX = 64;

/**
 * The bytes of `map.nonZeroRuns()`, in order, cut anywhere; each frame is checked before its bytes are given out. A chunk's memory is not used
 * again, and is not to be written to: others may be of the same frame.
 * @throws KelpieError `package_corrupt`, `package_not_found`, `canceled`; StoreTrouble.
 */
export async function* streamPages(
  reader: FrameReader,
  map: StoreMap,
  { item, signal }: Pick<StreamOptions, 'item' | 'signal'>,
): AsyncGenerator<Bytes, void> {
  const fetch = async (batch: PageBatch, stop: AbortSignal): Promise<FetchedBatch> => ({
    batch,
    fetched: await fetchFrames(reader, map, batch.fetched, stop),
  });
  const held = new Map<number, Bytes>();
  try {
    for await (const { batch, fetched } of ahead(batchesOf(map), BATCHES_AHEAD, fetch, signal)) {
      for (const [frame, raw] of fetched) held.set(frame, raw);
      for (const chunk of chunksOf(map, batch, held)) {
        throwIfCanceled(signal, `fetching the ${item}`);
        yield chunk;
      }
      for (const frame of held.keys()) if (!batch.kept.has(frame)) held.delete(frame);
    }
  } catch (error) {
    throw signal?.aborted === true ? canceledError(signal, `fetching the ${item}`) : error;
  }
}

/** Runs that are given out together. */
export interface PageBatch {
  /** Index of its first run, and of the first after it. */
  readonly start: number;
  readonly end: number;
  /** Frames that the runs need and that were not kept; indexes in the map's frames, ascending. */
  readonly fetched: readonly number[];
  /** Frames to hold on to when the batch is done. */
  readonly kept: ReadonlySet<number>;
}

interface FetchedBatch {
  readonly batch: PageBatch;
  readonly fetched: ReadonlyMap<number, Bytes>;
}

/** In the order of runs. */
export function* batchesOf(map: StoreMap): Generator<PageBatch, void> {
  const { frame } = map.columns;
  const next = nextUses(map);
  /** Frames that are held, and the run that needs each of them next. */
  let held: ReadonlyMap<number, number> = new Map();
  for (let start = 0; start < frame.length;) {
    const uses = new Map(held);
    const fetched: number[] = [];
    let end = start;
    for (; end < frame.length; end += 1) {
      const index = at(frame, end);
      if (!uses.has(index)) {
        if (fetched.length === BATCH_FRAMES_MAX) break;
        fetched.push(index);
      }
      uses.set(index, at(next, end));
    }
    held = neededSoonest(uses);
    yield { start, end, fetched: fetched.toSorted((a, b) => a - b), kept: new Set(held.keys()) };
    start = end;
  }
}

/** Of no run: there are fewer. */
const NEVER = 0xffff_ffff;

/** For each run, the next one that needs the same frame. */
function nextUses(map: StoreMap): Uint32Array {
  const { frame } = map.columns;
  const next = new Uint32Array(frame.length);
  const seen = new Uint32Array(map.frames.length).fill(NEVER);
  for (let run = frame.length - 1; run >= 0; run -= 1) {
    next[run] = at(seen, at(frame, run));
    seen[at(frame, run)] = run;
  }
  return next;
}

function neededSoonest(uses: ReadonlyMap<number, number>): ReadonlyMap<number, number> {
  const again = [...uses].filter(([, run]) => run !== NEVER);
  return new Map(again.toSorted(([, a], [, b]) => a - b).slice(0, FRAMES_KEPT_MAX));
}

async function fetchFrames(
  reader: FrameReader,
  map: StoreMap,
  frames: readonly number[],
  signal: AbortSignal,
): Promise<ReadonlyMap<number, Bytes>> {
  const fetched = new Map<number, Bytes>();
  const take = async (raw: Bytes, frame: number): Promise<void> => void fetched.set(frame, raw);
  await inParallel(
    planRanges(map.frames, frames),
    BATCH_FRAMES_MAX,
    async (range, stop) => await reader.read(map.frames, range, take, { signal: stop }),
    signal,
  );
  return fetched;
}

/** Pages that lie side by side in their frame come together, wherever they are in the memory. */
function* chunksOf(
  map: StoreMap,
  { start, end }: PageBatch,
  held: ReadonlyMap<number, Bytes>,
): Generator<Bytes, void> {
  for (let index = start; index < end;) {
    const { frame, framePage } = map.run(index);
    let endPage = framePage;
    for (; index < end; index += 1) {
      const run = map.run(index);
      if (run.frame !== frame || run.framePage !== endPage) break;
      endPage += run.count;
    }
    const raw = defined(held.get(frame), 'a frame of the batch');
    assert(endPage * PAGE_BYTES <= raw.byteLength, 'a run lies inside its frame');
    yield raw.subarray(framePage * PAGE_BYTES, endPage * PAGE_BYTES);
  }
}
