import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import * as fc from 'fast-check';
import { collect } from '../../test/support/collect.ts';
import { patternBytes, streamOf } from '../../test/support/sample-package.ts';
import { refusedAs } from '../../test/support/store-fixture.ts';
import { concat, hex, viewOf } from '../base/bytes.ts';
import type { Bytes } from '../base/bytes.ts';
import { isKelpieError } from '../base/errors.ts';
import { PAGE_BYTES } from '../base/units.ts';
import { createNodeEnv } from '../env/node/env.ts';
import { PageRuns } from './page-runs.ts';
import { decodeSparseSegment } from './sparse-segment-reader.ts';
import { encodeSparseSegment, sparseSegmentBytes } from './sparse-segment.ts';

const PAGES = 64;
const SIZE = PAGES * PAGE_BYTES;
const env = createNodeEnv();
const directory = await mkdtemp(join(tmpdir(), 'kelpie-sparse-'));
const target = `${directory}/target`;
after(async () => await rm(directory, { recursive: true, force: true }));

async function decode(segment: AsyncIterable<Bytes>, sizeBytes = SIZE): Promise<PageRuns> {
  const handle = await env.files.open(target, 'w');
  try {
    return await decodeSparseSegment(segment, sizeBytes, handle);
  } finally {
    await handle.close();
  }
}

async function encode(runs: PageRuns, pages: Bytes, step = 5000): Promise<Bytes> {
  return concat(
    await collect(encodeSparseSegment({ sizeBytes: SIZE, runs, pages: () => streamOf(pages, step) })),
  );
}

const sampleRuns = PageRuns.of([
  { firstPage: 1, count: 2 },
  { firstPage: 9, count: 1 },
  { firstPage: 63, count: 1 },
]);
const samplePages = patternBytes(4 * PAGE_BYTES, 1);

/** The sample's bytes with a field changed. */
async function forged(change: (view: DataView) => void): Promise<Bytes> {
  const bytes = await encode(sampleRuns, samplePages);
  change(viewOf(bytes));
  return bytes;
}

test('a segment, cut anywhere, becomes the file that it was made from', async () => {
  const pageSets = fc.uniqueArray(fc.nat({ max: PAGES - 1 }), { maxLength: PAGES });
  const steps = fc.integer({ min: 1, max: 3 * PAGE_BYTES });
  await fc.assert(
    fc.asyncProperty(pageSets, steps, async (pages, step) => {
      const runs = PageRuns.of(pages.toSorted((a, b) => a - b).map((firstPage) => ({ firstPage, count: 1 })));
      const bytes = patternBytes(runs.pages * PAGE_BYTES, pages.length);
      const segment = await encode(runs, bytes, step);
      assert.equal(segment.byteLength, sparseSegmentBytes(runs));
      assert.deepEqual([...(await decode(streamOf(segment, step)))], [...runs]);
      const expected = new Uint8Array(SIZE);
      let offset = 0;
      for (const { firstPage, count } of runs) {
        expected.set(bytes.subarray(offset, offset + count * PAGE_BYTES), firstPage * PAGE_BYTES);
        offset += count * PAGE_BYTES;
      }
      assert.ok((await readFile(target)).equals(expected));
    }),
    { numRuns: 60 },
  );
});

test('one byte at a time, and all at once', async () => {
  const segment = await encode(sampleRuns, samplePages);
  for (const step of [1, segment.byteLength]) {
    await decode(streamOf(segment, step));
    assert.equal((await stat(target)).size, SIZE);
  }
});

test('more runs than a batch may have', async () => {
  const sizeBytes = 6000 * PAGE_BYTES;
  const runs = PageRuns.of(Array.from({ length: 3000 }, (_, index) => ({ firstPage: index * 2, count: 1 })));
  const pages = patternBytes(runs.pages * PAGE_BYTES, 3);
  await decode(
    encodeSparseSegment({ sizeBytes, runs, pages: () => streamOf(pages, pages.byteLength) }),
    sizeBytes,
  );
  const file = await readFile(target);
  for (let index = 0; index < 3000; index += 1) {
    const page = file.subarray(index * 2 * PAGE_BYTES, (index * 2 + 1) * PAGE_BYTES);
    assert.ok(page.equals(pages.subarray(index * PAGE_BYTES, (index + 1) * PAGE_BYTES)));
  }
});

test('these are its bytes', async () => {
  const segment = await encode(PageRuns.of([{ firstPage: 2, count: 1 }]), new Uint8Array(PAGE_BYTES));
  assert.equal(
    hex(segment.subarray(0, 40)),
    '4b4c5353' +
      '01000000' +
      '0000040000000000' +
      '0100000000000000' +
      '0200000000000000' +
      '0100000000000000',
  );
  assert.equal(segment.byteLength, 40 + PAGE_BYTES);
});

test('every truncation is refused', async () => {
  const segment = await encode(sampleRuns, samplePages);
  const lengths = [
    ...Array.from({ length: 24 + 3 * 16 + 3 }, (_, length) => length),
    segment.byteLength - PAGE_BYTES,
    segment.byteLength - 1,
  ];
  for (const length of lengths)
    await refusedAs(decode(streamOf(segment.subarray(0, length))), 'package_corrupt');
  await refusedAs(decode(streamOf(concat([segment, new Uint8Array(1)]))), 'package_corrupt');
});

test('every flipped bit of the header and the table is refused, or says another set of pages', async () => {
  const segment = await encode(sampleRuns, samplePages);
  for (let bit = 0; bit < (24 + 3 * 16) * 8; bit += 1) {
    const flipped = segment.with(bit >> 3, (segment[bit >> 3] ?? 0) ^ (1 << (bit & 7)));
    try {
      // Only the digest of the segment can tell a run that moved from one that is there.
      const runs = await decode(streamOf(flipped));
      assert.ok(bit >= 24 * 8 && runs.pages === 4 && runs.endPage <= PAGES, `bit ${bit}`);
    } catch (error) {
      assert.ok(isKelpieError(error, 'package_corrupt', 'package_too_new'), `bit ${bit}: ${String(error)}`);
    }
  }
});

const lies: readonly [string, (view: DataView) => void][] = [
  ['another size', (view) => view.setBigUint64(8, BigInt(SIZE + PAGE_BYTES), true)],
  ['an absurd size', (view) => view.setBigUint64(8, 2n ** 64n - 1n, true)],
  ['an absurd count of runs', (view) => view.setBigUint64(16, 2n ** 64n - 1n, true)],
  ['more runs than pages allow', (view) => view.setBigUint64(16, 33n, true)],
  ['runs that touch', (view) => view.setBigUint64(24 + 16, 3n, true)],
  ['runs that overlap', (view) => view.setBigUint64(24 + 16, 2n, true)],
  ['runs out of order', (view) => view.setBigUint64(24 + 16, 0n, true)],
  ['an empty run', (view) => view.setBigUint64(24 + 8, 0n, true)],
  ['a run beyond the end', (view) => view.setBigUint64(24 + 32 + 8, 2n, true)],
  ['a run whose end wraps', (view) => view.setBigUint64(24 + 8, 2n ** 64n - 1n, true)],
  ['a version that does not exist', (view) => view.setUint32(4, 0, true)],
];
for (const [name, change] of lies) {
  test(`refused: ${name}`, async () =>
    await refusedAs(decode(streamOf(await forged(change))), 'package_corrupt'));
}

test('a newer format is told from a broken one', async () => {
  await refusedAs(decode(streamOf(await forged((view) => view.setUint32(4, 2, true)))), 'package_too_new');
});

test('a writer whose pages are not as many as it says fails', async () => {
  await refusedAs(encode(sampleRuns, samplePages.slice(1)), 'snapshot_corrupt');
  await refusedAs(encode(sampleRuns, concat([samplePages, new Uint8Array(1)])), 'snapshot_corrupt');
});
