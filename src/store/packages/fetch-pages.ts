/**
 * Every page of a map, from the store to its place in a file:
 *
 *     frames by place ─▶ ranges ─▶ several requests at once ─▶ frames checked and unpacked ─▶ pages scattered into the target
 *                                                                        └─ every few seconds: sync, then the journal
 */
import { assert, defined } from '../../base/assert.ts';
import { freeBytes } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import { canceledError } from '../../base/cancel.ts';
import { inParallel } from '../../base/in-parallel.ts';
import { PAGE_BYTES } from '../../base/units.ts';
import type { Clock } from '../../env/clock.ts';
import { BATCH_EXTENTS_MAX } from '../../env/files.ts';
import type { Extent, FileHandle } from '../../env/files.ts';
import { localFailure } from '../../snapshot/local-failure.ts';
import type { FetchJournal, TransferOptions } from '../teleport-storage.ts';
import { FetchCheckpoints } from './fetch-checkpoints.ts';
import { planRanges } from './frame-ranges.ts';
import { RANGES_AT_ONCE } from './frame-reader.ts';
import type { FrameReader } from './frame-reader.ts';
import { RunsByFrame } from './runs-by-frame.ts';
import type { StoreMap, StoreRun } from './store-map.ts';

export interface FetchPagesOptions extends TransferOptions {
  readonly journal?: FetchJournal;
}

/**
 * `OpenPackage.fetchPages` has the contract. When this settles, nothing writes to `target` any more.
 * @param item for progress: `memory`.
 */
export async function fetchPages(
  { clock }: { readonly clock: Pick<Clock, 'monotonicMs'> },
  reader: FrameReader,
  map: StoreMap,
  target: FileHandle,
  { item, signal, onProgress, journal }: FetchPagesOptions & { readonly item: string },
): Promise<void> {
  const runs = new RunsByFrame(map);
  const wanted = Array.from(map.frames.keys()).filter((frame) => journal?.isDone(frame) !== true);
  const checkpoints = journal === undefined ? null : new FetchCheckpoints(clock, target, journal);
  const totalBytes = runs.pages * PAGE_BYTES;
  let doneBytes = totalBytes - wanted.reduce((sum, frame) => sum + runs.pagesOf(frame), 0) * PAGE_BYTES;
  let movedBytes = 0;

  const write = async (raw: Bytes, frame: number): Promise<void> => {
    const places = runs.of(frame);
    await scatter(target, places, raw);
    freeBytes(raw);
    doneBytes += runs.pagesOf(frame) * PAGE_BYTES;
    onProgress?.({ item, doneBytes, totalBytes, movedBytes });
    await checkpoints?.wrote(frame);
  };

  try {
    await inParallel(
      planRanges(map.frames, wanted),
      RANGES_AT_ONCE,
      async (range, stop) => {
        await reader.read(map.frames, range, write, { signal: stop });
        movedBytes += range.length;
      },
      signal,
    );
  } catch (error) {
    await checkpoints?.keepWhatThereIs();
    if (signal?.aborted === true) throw canceledError(signal, `fetching the ${item}`);
    throw localFailure(error, `write the ${item} of the package`);
  }
}

/** Writes each page of a frame that the map uses to every place that it has. @param places in the order of the frame's pages. */
async function scatter(target: FileHandle, places: readonly StoreRun[], raw: Bytes): Promise<void> {
  for (let index = 0; index < places.length;) {
    const { framePage } = defined(places[index], 'the first run of a batch');
    const extents: Extent[] = [];
    let end = framePage;
    for (
      let run = places[index];
      run?.framePage === end && extents.length < BATCH_EXTENTS_MAX;
      run = places[index]
    ) {
      extents.push({ offset: run.firstPage * PAGE_BYTES, length: run.count * PAGE_BYTES });
      end += run.count;
      index += 1;
    }
    assert(end * PAGE_BYTES <= raw.byteLength, 'a run lies inside its frame');
    await target.writeBatch(extents, raw.subarray(framePage * PAGE_BYTES, end * PAGE_BYTES));
  }
}
