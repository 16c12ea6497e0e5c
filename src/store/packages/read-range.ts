import { assert } from '../../base/assert.ts';
import type { Bytes } from '../../base/bytes.ts';
import { PAGE_BYTES } from '../../base/units.ts';
import type { ActOptions } from '../objects/object-store.ts';
import { planRanges } from './frame-ranges.ts';
import type { FrameReader } from './frame-reader.ts';
import type { StoreMap, StoreRun } from './store-map.ts';

/** Pages of one call: a huge page of the VMM, twice. */
export const READ_PAGES_MAX = 1024;

/**
 * Any pages of a map, zeros too, by one request where the frames that hold them lie side by side; for memory that arrives while the VM
 * runs. @throws KelpieError `package_corrupt`, `package_not_found`; StoreTrouble.
 */
export async function readPageRange(
  reader: FrameReader,
  map: StoreMap,
  firstPage: number,
  count: number,
  options: ActOptions = {},
): Promise<Bytes> {
  assert(count >= 1 && count <= READ_PAGES_MAX, 'pages are read in bounded pieces');
  assert(firstPage >= 0 && firstPage + count <= map.pageCount, 'the pages lie inside the map');
  const bytes = new Uint8Array(count * PAGE_BYTES);
  const byFrame = new Map<number, StoreRun[]>();
  for (const run of runsWithin(map, firstPage, firstPage + count))
    byFrame.set(run.frame, [...(byFrame.get(run.frame) ?? []), run]);
  const frames = [...byFrame.keys()].toSorted((a, b) => a - b);
  const copy = async (raw: Bytes, frame: number): Promise<void> => {
    for (const run of byFrame.get(frame) ?? []) {
      const pages = raw.subarray(run.framePage * PAGE_BYTES, (run.framePage + run.count) * PAGE_BYTES);
      bytes.set(pages, (run.firstPage - firstPage) * PAGE_BYTES);
    }
  };
  await Promise.all(
    planRanges(map.frames, frames).map(async (range) => await reader.read(map.frames, range, copy, options)),
  );
  return bytes;
}

/** The parts of the map's runs that lie in `start` … `end`. */
function* runsWithin(map: StoreMap, start: number, end: number): Generator<StoreRun> {
  for (let index = map.firstRunAfter(start); index < map.runCount; index += 1) {
    const run = map.run(index);
    if (run.firstPage >= end) return;
    const skipped = Math.max(0, start - run.firstPage);
    const count = Math.min(run.firstPage + run.count, end) - (run.firstPage + skipped);
    yield { firstPage: run.firstPage + skipped, count, frame: run.frame, framePage: run.framePage + skipped };
  }
}
