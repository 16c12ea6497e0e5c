import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { isKelpieError } from '../base/errors.ts';
import { writeUuid, readUuid } from '../base/uuid.ts';
import { concat, hex } from '../base/bytes.ts';
import type { Bytes } from '../base/bytes.ts';
import type { Compute } from '../env/compute.ts';
import { encodePageMap } from './page-map-codec.ts';
import { PageMap } from './page-map.ts';
import type { PageDelta } from './page-map.ts';
import { PageRuns, PageRunsBuilder } from './page-runs.ts';

const compute: Pick<Compute, 'sha256'> = {
  sha256: (bytes) => createHash('sha256').update(bytes).digest('hex'),
};

/** A file's UUID from a small number. */
function fileId(number: number): string {
  const bytes = new Uint8Array(16);
  new DataView(bytes.buffer).setUint32(12, number);
  return readUuid(bytes, 0);
}

function runsOf(pages: readonly number[]): PageRuns {
  const builder = new PageRunsBuilder();
  for (const page of pages) builder.append(page);
  return builder.finish();
}

/** What a map means, said naively: the place of each page. */
type Model = (string | null)[];

function overlayModel(model: Model, delta: PageDelta): Model {
  const next = [...model];
  let source = 0;
  for (const { firstPage, count } of delta.runs) {
    for (let page = firstPage; page < firstPage + count; page += 1, source += 1) {
      next[page] = `${delta.pageFile}/${source}`;
    }
  }
  for (const { firstPage, count } of delta.zeroRuns) next.fill(null, firstPage, firstPage + count);
  return next;
}

function modelOf(map: PageMap): Model {
  return Array.from({ length: map.pageCount }, (_, page) => {
    const place = map.find(page);
    return place === null ? null : `${place.pageFile}/${place.sourcePage}`;
  });
}

function modelFromRuns(map: PageMap): Model {
  const model: Model = Array.from({ length: map.pageCount }, () => null);
  for (const run of map.runs()) {
    for (let index = 0; index < run.count; index += 1) {
      model[run.firstPage + index] = `${run.pageFile}/${run.sourcePage + index}`;
    }
  }
  return model;
}

/** For each page: untouched, written or zeroed. */
const deltas = (pageCount: number): fc.Arbitrary<readonly (readonly number[])[]> =>
  fc.array(fc.array(fc.constantFrom(0, 0, 1, 2), { minLength: pageCount, maxLength: pageCount }), {
    maxLength: 6,
  });

function deltaOf(fates: readonly number[], file: number): PageDelta {
  const pages = (fate: number): PageRuns =>
    runsOf(fates.flatMap((value, page) => (value === fate ? [page] : [])));
  return { pageFile: fileId(file), runs: pages(1), zeroRuns: pages(2) };
}

function assertCanonical(map: PageMap): void {
  const runs = [...map.runs()];
  for (const [index, run] of runs.entries()) {
    const next = runs[index + 1];
    assert.ok(run.count >= 1);
    if (next === undefined) continue;
    assert.ok(next.firstPage >= run.firstPage + run.count);
    const continues =
      next.firstPage === run.firstPage + run.count &&
      next.pageFile === run.pageFile &&
      next.sourcePage === run.sourcePage + run.count;
    assert.ok(!continues, 'adjacent runs are joined');
  }
  assert.deepEqual(new Set(runs.map((run) => run.pageFile)), new Set(map.pageFiles));
  assert.equal(
    map.nonZeroPages,
    runs.reduce((sum, run) => sum + run.count, 0),
  );
}

describe('PageMap', () => {
  it('means what the naive model means, after any deltas, and survives its encoding', () => {
    fc.assert(
      fc.property(
        fc
          .integer({ min: 1, max: 40 })
          .chain((pageCount) => fc.tuple(fc.constant(pageCount), deltas(pageCount))),
        ([pageCount, steps]) => {
          let map = PageMap.empty(pageCount);
          let model: Model = Array.from({ length: pageCount }, () => null);
          for (const [index, fates] of steps.entries()) {
            const delta = deltaOf(fates, index + 1);
            map = map.overlay(delta);
            model = overlayModel(model, delta);
            assert.deepEqual(modelOf(map), model);
            assert.deepEqual(modelFromRuns(map), model);
            assertCanonical(map);
          }
          const bytes = map.encode(compute);
          const decoded = PageMap.decode(bytes, compute);
          assert.deepEqual(modelOf(decoded), model);
          assert.deepEqual(decoded.encode(compute), bytes);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('drops page files in which no page is left', () => {
    const first = PageMap.empty(4).overlay({
      pageFile: fileId(1),
      runs: runsOf([0, 1]),
      zeroRuns: PageRuns.none,
    });
    const second = first.overlay({ pageFile: fileId(2), runs: runsOf([1]), zeroRuns: runsOf([0]) });
    assert.deepEqual(second.pageFiles, [fileId(2)]);
    assert.deepEqual(
      first.overlay({ pageFile: fileId(3), runs: PageRuns.none, zeroRuns: PageRuns.none }).pageFiles,
      [fileId(1)],
    );
  });

  it('describes a mappable file by identity', () => {
    const map = PageMap.identity(10, fileId(1), runsOf([2, 3, 7]));
    assert.deepEqual(
      [...map.runs()],
      [
        { firstPage: 2, count: 2, pageFile: fileId(1), sourcePage: 2 },
        { firstPage: 7, count: 1, pageFile: fileId(1), sourcePage: 7 },
      ],
    );
    assert.deepEqual(PageMap.identity(10, fileId(1), PageRuns.none).pageFiles, []);
  });

  it('describes a disk over the files of its layers, beyond the bound of a memory', () => {
    const runs = [
      { firstPage: 0, count: 2, pageFile: fileId(1), sourcePage: 0 },
      { firstPage: 2, count: 1, pageFile: fileId(1), sourcePage: 2 },
      { firstPage: 5, count: 4, pageFile: fileId(2), sourcePage: 80 },
      { firstPage: 2 ** 30, count: 1, pageFile: fileId(1), sourcePage: 2 ** 30 },
    ];
    const map = PageMap.of(2 ** 31, runs);
    assert.deepEqual(map.pageFiles, [fileId(1), fileId(2)]);
    assertCanonical(map);
    assert.deepEqual(
      [...map.runs()].map(({ firstPage, count }) => [firstPage, count]),
      [
        [0, 3],
        [5, 4],
        [2 ** 30, 1],
      ],
    );
    assert.deepEqual(map.find(7), { pageFile: fileId(2), sourcePage: 82 });
    assert.throws(() => map.encode(compute), /within its bounds/);
    assert.throws(() => PageMap.of(5, runs), /inside the memory/);
    assert.throws(() => PageMap.of(2 ** 31, runs.toReversed()), /ascending/);
  });

  it('refuses what our own code may not do', () => {
    const map = PageMap.empty(4);
    assert.throws(
      () => map.overlay({ pageFile: fileId(1), runs: runsOf([4]), zeroRuns: PageRuns.none }),
      /inside the memory/,
    );
    assert.throws(
      () => map.overlay({ pageFile: fileId(1), runs: runsOf([1]), zeroRuns: runsOf([1]) }),
      /either written or zero/,
    );
    assert.throws(
      () => map.overlay({ pageFile: '../../etc/passwd', runs: runsOf([1]), zeroRuns: PageRuns.none }),
      /UUID/,
    );
    assert.throws(() => PageMap.empty(0));
  });
});

/** A small map and its bytes with a field changed and the digest made right again. */
function forged(change: (view: DataView, bytes: Bytes) => void): Bytes {
  const map = PageMap.empty(100)
    .overlay({ pageFile: fileId(1), runs: runsOf([1, 2, 3, 50]), zeroRuns: PageRuns.none })
    .overlay({ pageFile: fileId(2), runs: runsOf([2, 60]), zeroRuns: PageRuns.none });
  const bytes = map.encode(compute);
  change(new DataView(bytes.buffer), bytes);
  const digest = createHash('sha256').update(bytes.subarray(0, -32)).digest();
  bytes.set(digest, bytes.length - 32);
  return bytes;
}

const runOffset = (index: number): number => 24 + 2 * 16 + index * 16;

describe('PageMap.decode', () => {
  it('refuses every truncation and every flipped byte', () => {
    const bytes = forged(() => undefined);
    PageMap.decode(bytes, compute);
    for (let length = 0; length < bytes.length; length += 1) {
      assert.throws(
        () => PageMap.decode(bytes.subarray(0, length), compute),
        (error) => isKelpieError(error, 'snapshot_corrupt'),
      );
    }
    for (let index = 0; index < bytes.length; index += 1) {
      const flipped = bytes.slice();
      flipped[index] = (flipped[index] ?? 0) ^ 0x40;
      assert.throws(
        () => PageMap.decode(flipped, compute),
        (error) => isKelpieError(error, 'snapshot_corrupt', 'package_too_new'),
      );
    }
    assert.throws(
      () => PageMap.decode(concat([bytes, new Uint8Array(1)]), compute),
      (error) => isKelpieError(error, 'snapshot_corrupt'),
    );
  });

  const lies: readonly [string, RegExp, (view: DataView, bytes: Bytes) => void][] = [
    ['a memory of no pages', /memory size/, (view) => view.setUint32(8, 0, true)],
    ['a memory beyond the bound', /memory size/, (view) => view.setUint32(8, 2 ** 28 + 1, true)],
    ['an absurd count of files', /out of bounds/, (view) => view.setUint32(12, 0xffffffff, true)],
    ['an absurd count of runs', /out of bounds/, (view) => view.setUint32(16, 0xffffffff, true)],
    ['a count of runs that the length does not bear', /length/, (view) => view.setUint32(16, 4, true)],
    ['a reserved field', /reserved/, (view) => view.setUint32(20, 1, true)],
    ['an empty run', /empty/, (view) => view.setUint32(runOffset(0) + 4, 0, true)],
    ['runs that overlap', /overlap/, (view) => view.setUint32(runOffset(0) + 4, 2, true)],
    ['a run beyond the memory', /outside the memory/, (view) => view.setUint32(runOffset(4) + 4, 41, true)],
    [
      'a run whose end wraps',
      /outside the memory/,
      (view) => view.setUint32(runOffset(4) + 4, 0xffffffff, true),
    ],
    ['a file not in the table', /not in the table/, (view) => view.setUint32(runOffset(0) + 8, 2, true)],
    [
      'a source that wraps',
      /outside any page file/,
      (view) => view.setUint32(runOffset(0) + 12, 0xffffffff, true),
    ],
    ['a page file twice', /twice/, (_, bytes) => writeUuid(fileId(1), bytes, 24 + 16)],
    [
      'a page file that is not used',
      /does not use/,
      (view) => {
        view.setUint32(runOffset(1) + 8, 0, true);
        view.setUint32(runOffset(4) + 8, 0, true);
      },
    ],
  ];
  for (const [name, reason, change] of lies) {
    it(`refuses ${name}, with a right digest`, () => {
      assert.throws(
        () => PageMap.decode(forged(change), compute),
        (error) => isKelpieError(error, 'snapshot_corrupt') && reason.test(error.message),
      );
    });
  }

  it('tells a newer format from a broken one', () => {
    const newer = forged((view) => view.setUint32(4, 2, true));
    assert.throws(
      () => PageMap.decode(newer, compute),
      (error) => isKelpieError(error, 'package_too_new'),
    );
  });

  it('never breaks in another way, whatever the bytes', () => {
    const near = fc
      .array(fc.tuple(fc.nat({ max: 183 }), fc.integer({ min: 0, max: 255 })), { maxLength: 5 })
      .map((changes) =>
        forged((_, bytes) => {
          for (const [index, value] of changes) bytes[index % (bytes.length - 32)] = value;
        }),
      );
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), near), (bytes) => {
        try {
          assertCanonicalOrder(PageMap.decode(bytes, compute));
        } catch (error) {
          assert.ok(isKelpieError(error, 'snapshot_corrupt', 'package_too_new'), String(error));
        }
      }),
      { numRuns: 2000 },
    );
  });
});

/** Runs of an accepted map are ascending and inside the memory. */
function assertCanonicalOrder(map: PageMap): void {
  let end = 0;
  for (const run of map.runs()) {
    assert.ok(run.firstPage >= end && run.count >= 1);
    end = run.firstPage + run.count;
  }
  assert.ok(end <= map.pageCount);
}

describe('encodePageMap', () => {
  it('gives these bytes', () => {
    const runs = {
      first: Uint32Array.of(2),
      count: Uint32Array.of(3),
      file: Uint32Array.of(0),
      source: Uint32Array.of(5),
    };
    const bytes = encodePageMap({ pageCount: 16, pageFiles: [fileId(7)], runs }, compute);
    assert.equal(
      hex(bytes.subarray(0, -32)),
      '4b4c504d' +
        '01000000' +
        '10000000' +
        '01000000' +
        '01000000' +
        '00000000' +
        '00000000000000000000000000000007' +
        '02000000030000000000000005000000',
    );
  });
});
