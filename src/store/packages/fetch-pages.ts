/**
 * Every page of a map, from the store to its place in a file:
 *
 *     frames by place ─▶ ranges ─▶ several requests at once ─▶ threads check and unpack frames, and write their pages to the target
 *                                                                        └─ every few seconds: sync, then the journal
 */
import { canceledError } from '../../base/cancel.ts';
import { inParallel } from '../../base/in-parallel.ts';
import { PAGE_BYTES } from '../../base/units.ts';
import type { Clock } from '../../env/clock.ts';
import type { FramePlace } from '../../env/compute.ts';
import type { FileHandle } from '../../env/files.ts';
import { localFailure } from '../../snapshot/local-failure.ts';
import type { FetchJournal, TransferOptions } from '../teleport-storage.ts';
import { FetchCheckpoints } from './fetch-checkpoints.ts';
import { planRanges } from './frame-ranges.ts';
import { RANGES_AT_ONCE } from './frame-reader.ts';
import type { FrameReader } from './frame-reader.ts';
import { RunsByFrame } from './runs-by-frame.ts';
import type { StoreMap } from './store-map.ts';

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

  const placesOf = (frame: number): readonly FramePlace[] =>
    runs.of(frame).map(({ firstPage, count, framePage }) => ({
      start: framePage * PAGE_BYTES,
      length: count * PAGE_BYTES,
      offset: firstPage * PAGE_BYTES,
    }));
  const wrote = async (frame: number): Promise<void> => {
    doneBytes += runs.pagesOf(frame) * PAGE_BYTES;
    onProgress?.({ item, doneBytes, totalBytes, movedBytes });
    await checkpoints?.wrote(frame);
  };

  try {
    await inParallel(
      planRanges(map.frames, wanted),
      RANGES_AT_ONCE,
      async (range, stop) => {
        await reader.write(map.frames, range, { file: target, placesOf, wrote }, { signal: stop });
        movedBytes += range.length;
      },
      signal,
    );
  } catch (error) {
    await checkpoints?.keepWhatThereIs();
    if (signal?.aborted === true) throw canceledError(signal, `fetching the ${item}`);
    throw localFailure(error, `write the ${item} of the package`);
  } finally {
    reader.release();
  }
}
