import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { concat } from '../base/bytes.ts';
import type { Bytes } from '../base/bytes.ts';
import { PAGE_BYTES } from '../base/units.ts';
import { KnownPages } from './known-pages.ts';
import { PageCutter } from './page-cutter.ts';
import { movedSum, pageSum } from './rolling-sum.ts';

const compute = {
  sha256: (bytes: Bytes): string => createHash('sha256').update(bytes).digest('hex'),
  isZero: (bytes: Bytes): boolean => bytes.every((byte) => byte === 0),
};
const place = { pageFile: 'before', page: 0 };

async function cut(known: KnownPages, pieces: readonly Bytes[]): Promise<readonly Bytes[]> {
  const pages: Bytes[] = [];
  const cutter = new PageCutter(compute, known, { add: async (page) => void pages.push(page.slice()) });
  for (const piece of pieces) await cutter.write(piece);
  await cutter.end();
  return pages;
}

/** What is known of a checkpoint that had these bytes. */
async function knowing(bytes: Bytes): Promise<KnownPages> {
  const known = new KnownPages(compute);
  for (const page of await cut(new KnownPages(compute), [bytes])) {
    if (page.byteLength < PAGE_BYTES) continue;
    known.add(known.keyOf(page), place);
    known.sums.add(pageSum(page, 0));
  }
  return known;
}

function newBytes(known: KnownPages, pages: readonly Bytes[]): number {
  const fresh = pages.filter((page) => !compute.isZero(page) && known.find(known.keyOf(page)) === null);
  return fresh.reduce((sum, page) => sum + page.byteLength, 0);
}

suite('pages', () => {
  test('are all of the bytes, in full pages where nothing is known, however these come', async () => {
    const pieces = fc.array(fc.uint8Array({ maxLength: 30_000 }), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(pieces, async (all) => {
        const pages = await cut(new KnownPages(compute), all);
        assert.deepEqual(concat(pages), concat(all));
        assert.ok(pages.slice(0, -1).every(({ byteLength }) => byteLength === PAGE_BYTES));
      }),
      { numRuns: 25 },
    );
  });

  test('are found again behind what was inserted, removed and overwritten', async () => {
    const before = new Uint8Array(randomBytes(300_000));
    const known = await knowing(before);
    const edits = fc.array(
      fc.record({ at: fc.nat(299_999), removed: fc.nat(9000), inserted: fc.nat(9000) }),
      { minLength: 1, maxLength: 4 },
    );
    await fc.assert(
      fc.asyncProperty(edits, async (all) => {
        let bytes: Bytes = before;
        let touched = 0;
        for (const { at, removed, inserted } of all) {
          bytes = concat([bytes.subarray(0, at), randomBytes(inserted), bytes.subarray(at + removed)]);
          touched += inserted;
        }
        const pages = await cut(known, [bytes]);
        assert.deepEqual(concat(pages), bytes);
        // Each edit cuts two pages in pieces, and the bytes end with a short one.
        const bound = touched + (2 * all.length + 1) * PAGE_BYTES;
        assert.ok(newBytes(known, pages) <= bound, `${newBytes(known, pages)} of at most ${bound}`);
      }),
      { numRuns: 15 },
    );
  });

  test('have a sum that moves on with them', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: PAGE_BYTES + 1, maxLength: PAGE_BYTES + 300 }), (bytes) => {
        let sum = pageSum(bytes, 0);
        for (let at = 1; at + PAGE_BYTES <= bytes.byteLength; at += 1) {
          sum = movedSum(sum, bytes[at - 1] ?? 0, bytes[at + PAGE_BYTES - 1] ?? 0);
          assert.equal(sum, pageSum(bytes, at));
        }
      }),
      { numRuns: 5 },
    );
  });
});
