import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { defined } from '../../base/assert.ts';
import { sampleSession } from '../../../test/support/sample-maps.ts';
import { planRanges } from './frame-ranges.ts';
import { RANGE_BYTES_MAX, RANGE_GAP_BYTES_MAX } from './limits.ts';
import type { FrameInfo } from './store-map.ts';

interface Place {
  readonly pack: number;
  readonly gap: number;
  readonly length: number;
}

const places = fc.array(
  fc.record({
    pack: fc.nat(2),
    gap: fc.constantFrom(0, 1, RANGE_GAP_BYTES_MAX, RANGE_GAP_BYTES_MAX + 1),
    length: fc.constantFrom(1, 1000, 1_048_576),
  }),
  { maxLength: 40 },
);

/** Frames that lie in their packs with these gaps before them. */
function tableOf(wanted: readonly Place[]): readonly FrameInfo[] {
  const ends = new Map<number, { offset: number; number: number }>();
  return wanted
    .toSorted((a, b) => a.pack - b.pack)
    .map(({ pack, gap, length }) => {
      const end = ends.get(pack) ?? { offset: 28, number: 0 };
      const offset = end.offset + gap;
      ends.set(pack, { offset: offset + length, number: end.number + 1 });
      const name = { session: sampleSession(1), number: pack };
      return {
        pack: name,
        number: end.number,
        offset,
        storedBytes: length,
        rawBytes: 4096,
        codec: 'stored',
        sha256: '',
      };
    });
}

test('each wanted frame is in one range, in order, and no two ranges could be one', () => {
  fc.assert(
    fc.property(places, fc.infiniteStream(fc.boolean()), (wanted, chosen) => {
      const table = tableOf(wanted);
      const indexes = [...table.keys()].filter(() => chosen.next().value === true);
      const ranges = planRanges(table, indexes);
      assert.deepEqual(
        ranges.flatMap(({ frames }) => frames),
        indexes,
      );
      for (const [index, { pack, offset, length, frames }] of ranges.entries()) {
        const inside = frames.map((frame) => defined(table[frame], 'a frame'));
        assert.ok(inside.every((frame) => frame.pack === pack || frame.pack.number === pack.number));
        assert.equal(offset, inside[0]?.offset);
        const last = defined(inside.at(-1), 'the last frame');
        assert.equal(offset + length, last.offset + last.storedBytes);
        assert.ok(length <= RANGE_BYTES_MAX);
        const before = ranges[index - 1];
        if (before?.pack.number !== pack.number) continue;
        const gap = offset - (before.offset + before.length);
        const first = defined(inside[0], 'the first frame');
        const wouldFit = offset + first.storedBytes - before.offset <= RANGE_BYTES_MAX;
        assert.ok(gap > RANGE_GAP_BYTES_MAX || !wouldFit, 'they could have been one request');
      }
    }),
  );
});

test('all frames are wanted when nothing is said', () => {
  const table = tableOf([
    { pack: 0, gap: 0, length: 10 },
    { pack: 0, gap: 5, length: 10 },
    { pack: 1, gap: 0, length: 10 },
  ]);
  assert.deepEqual(
    planRanges(table).map(({ offset, length, frames }) => [offset, length, frames]),
    [
      [28, 25, [0, 1]],
      [28, 10, [2]],
    ],
  );
});
