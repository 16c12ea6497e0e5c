import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { createNodeCompute } from '../../env/node/compute.ts';
import { PageRunsBuilder } from '../../snapshot/page-runs.ts';
import { collectAnonymousPages } from './dirty-pages.ts';

const compute = createNodeCompute();

/** Upper halves of page map entries. */
const entries = {
  absent: 0,
  presentOfFile: 0xa000_0000,
  presentAnonymous: 0x8000_0000,
  swappedAnonymous: 0x4000_0000,
  presentAnonymousWithOtherBits: 0x81ff_ffff,
} as const;

function collect(uppers: readonly number[], chunk: number): readonly (readonly [number, number])[] {
  const builder = new PageRunsBuilder();
  for (let page = 0; page < uppers.length; page += chunk) {
    const words = Uint32Array.from(uppers.slice(page, page + chunk).flatMap((upper) => [0xffff_ffff, upper]));
    collectAnonymousPages(compute, words, page, builder);
  }
  return [...builder.finish()].map(({ firstPage, count }) => [firstPage, count]);
}

test('pages of the process are told from pages of the file and from none', () => {
  const { absent, presentOfFile, presentAnonymous, swappedAnonymous, presentAnonymousWithOtherBits } =
    entries;
  assert.deepEqual(
    collect([absent, presentAnonymous, presentOfFile, swappedAnonymous, presentAnonymousWithOtherBits], 5),
    [
      [1, 1],
      [3, 2],
    ],
  );
});

test('the runs are the same however the map is read in pieces', () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom(...Object.values(entries))),
      fc.integer({ min: 1, max: 9 }),
      (uppers, chunk) => {
        assert.deepEqual(collect(uppers, chunk), collect(uppers, Math.max(1, uppers.length)));
      },
    ),
  );
});

test('long stretches of the same entry are what they are one by one', () => {
  const stretch = fc.tuple(fc.constantFrom(...Object.values(entries)), fc.integer({ min: 1, max: 5000 }));
  fc.assert(
    fc.property(fc.array(stretch, { maxLength: 6 }), (stretches) => {
      const uppers = stretches.flatMap(([upper, count]) => Array.from({ length: count }, () => upper));
      assert.deepEqual(collect(uppers, Math.max(1, uppers.length)), collect(uppers, 1));
    }),
    { numRuns: 30 },
  );
});
