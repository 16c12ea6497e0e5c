import { defined } from '../../base/assert.ts';
import { RANGE_BYTES_MAX, RANGE_GAP_BYTES_MAX } from './limits.ts';
import type { PackName } from './pack-name.ts';
import type { FrameInfo } from './store-map.ts';

/** Frames of one pack that lie side by side, or nearly, and are read by one request. */
export interface FrameRange {
  readonly pack: PackName;
  /** First stored byte in the pack. */
  readonly offset: number;
  readonly length: number;
  /** Indexes in the table, ascending. */
  readonly frames: readonly number[];
}

/**
 * The fewest requests for the wanted frames that are not longer than `RANGE_BYTES_MAX` and read no gap longer than `RANGE_GAP_BYTES_MAX`.
 * @param table in the order of packs and of numbers (`compareFrames`), as maps and streams have it.
 * @param wanted indexes in the table, ascending; default all.
 */
export function planRanges(
  table: readonly FrameInfo[],
  wanted: Iterable<number> = table.keys(),
): readonly FrameRange[] {
  const ranges: MutableRange[] = [];
  for (const index of wanted) {
    const frame = defined(table[index], 'a wanted frame');
    const last = ranges.at(-1);
    if (last !== undefined && isNear(last, frame)) {
      last.frames.push(index);
      last.length = frame.offset + frame.storedBytes - last.offset;
    } else {
      const { pack, offset, storedBytes } = frame;
      ranges.push({ pack, offset, length: storedBytes, frames: [index] });
    }
  }
  return ranges;
}

interface MutableRange extends FrameRange {
  length: number;
  readonly frames: number[];
}

function isNear({ pack, offset, length }: FrameRange, next: FrameInfo): boolean {
  if (pack.session !== next.pack.session || pack.number !== next.pack.number) return false;
  const gapBytes = next.offset - (offset + length);
  if (gapBytes < 0 || gapBytes > RANGE_GAP_BYTES_MAX) return false;
  return next.offset + next.storedBytes - offset <= RANGE_BYTES_MAX;
}
