/** The long run of what src/snapshot/blob/blob.test.ts tries in short: damaged blobs by the thousand. `BLOB_FUZZ_RUNS` makes it longer. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { concat, equalBytes } from '../src/base/bytes.ts';
import { isKelpieError } from '../src/base/errors.ts';
import { MIB, PAGE_BYTES } from '../src/base/units.ts';
import { readBlob } from '../src/snapshot/blob/read-blob.ts';
import { encodeBlob } from '../src/snapshot/blob/write-blob.ts';
import { PageRuns } from '../src/snapshot/page-runs.ts';
import { patternBytes } from './support/sample-package.ts';
import { SMALL_PAGES, compute, sampleBlob, sampleSource, skimSample } from './support/sample-blob.ts';
import { refusedAs } from './support/store-fixture.ts';
import type { Bytes } from '../src/base/bytes.ts';
import type { BlobSource } from '../src/snapshot/blob/contents.ts';

const RUNS = Number(process.env['BLOB_FUZZ_RUNS'] ?? 4000);
const refusals = ['package_corrupt', 'package_too_new', 'limit_exceeded'] as const;

test('every single changed byte, and every truncation, of a small blob', async () => {
  const blob = await sampleBlob(2);
  for (let at = 0; at < blob.byteLength; at += 1) {
    const flip = ((at * 31) % 255) + 1;
    await refusedAs(skimSample(blob.with(at, (blob[at] ?? 0) ^ flip)), ...refusals);
    await refusedAs(skimSample(blob.subarray(0, at)), 'package_corrupt');
  }
});

test('neither side holds more than a few MiB, however large the VM', async () => {
  const memoryMib = 1024;
  const chunk = new Uint8Array(MIB).fill(7);
  async function* pages(): AsyncGenerator<Bytes> {
    for (let done = 0; done < memoryMib; done += 1) yield await Promise.resolve(chunk);
  }
  const { metadata, ...small } = sampleSource();
  const runs = PageRuns.of([{ firstPage: 0, count: (memoryMib * MIB) / PAGE_BYTES }]);
  const source: BlobSource = {
    ...small,
    metadata: { ...metadata, config: { ...metadata.config, memoryMib } },
    memory: { sizeBytes: memoryMib * MIB, runs, pages },
  };
  const before = process.memoryUsage().arrayBuffers;
  let peak = 0;
  let moved = 0;
  await readBlob(
    encodeBlob(source, 'stored', compute),
    {
      begin: async () => Promise.resolve(),
      deviceState: async () => Promise.resolve(),
      disk: async () => Promise.resolve(),
      memory: async ({ bytes }) => {
        moved += bytes.byteLength;
        peak = Math.max(peak, process.memoryUsage().arrayBuffers - before);
        return Promise.resolve();
      },
    },
    compute,
  );
  assert.equal(moved, memoryMib * MIB);
  assert.ok(peak < 8 * MIB, `${peak} bytes were held`);
});

interface Wound {
  readonly kind: 'overwrite' | 'cut out' | 'repeat' | 'insert';
  /** Where, as a share of the blob; the header and the metadata are hit as often as all the rest. */
  readonly at: number;
  readonly isEarly: boolean;
  readonly bytes: Bytes;
}

const wound: fc.Arbitrary<Wound> = fc.record({
  kind: fc.constantFrom('overwrite', 'cut out', 'repeat', 'insert'),
  at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  isEarly: fc.boolean(),
  bytes: fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 64 }),
    fc.constantFrom(new Uint8Array(8).fill(0xff), new Uint8Array(8), new Uint8Array(4096)),
  ),
});

function hurt(blob: Bytes, { kind, at, isEarly, bytes }: Wound): Bytes {
  const start = Math.floor(at * Math.min(blob.byteLength, isEarly ? 1000 : Infinity));
  const end = start + bytes.byteLength;
  switch (kind) {
    case 'overwrite':
      return concat([blob.subarray(0, start), bytes, blob.subarray(end)]).subarray(0, blob.byteLength);
    case 'cut out':
      return concat([blob.subarray(0, start), blob.subarray(end)]);
    case 'repeat':
      return concat([blob.subarray(0, end), blob.subarray(start)]);
    case 'insert':
      return concat([blob.subarray(0, start), bytes, blob.subarray(start)]);
    default:
      return kind satisfies never;
  }
}

test('blobs with several wounds', async (context) => {
  const pages = fc
    .uniqueArray(fc.nat({ max: SMALL_PAGES - 1 }), { maxLength: 6 })
    .map((list) => list.toSorted((a, b) => a - b));
  const parts = fc.record({
    deviceState: fc.nat({ max: 300 }).map((length) => patternBytes(length, length)),
    memory: pages,
    disk: pages,
  });
  let refused = 0;
  await fc.assert(
    fc.asyncProperty(parts, fc.array(wound, { minLength: 1, maxLength: 3 }), async (sample, wounds) => {
      const blob = await sampleBlob(2, sampleSource(sample));
      const damaged = wounds.reduce(hurt, blob);
      try {
        await skimSample(damaged);
        assert.ok(equalBytes(damaged, blob), 'what is read is what was written');
      } catch (error) {
        assert.ok(isKelpieError(error, ...refusals), String(error));
        refused += 1;
      }
    }),
    { numRuns: RUNS },
  );
  context.diagnostic(`${refused} of ${RUNS} were refused`);
  assert.ok(refused > RUNS / 2);
});
