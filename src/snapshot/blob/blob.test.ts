import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { patternBytes, streamOf } from '../../../test/support/sample-package.ts';
import {
  SMALL_PAGES,
  SampleSink,
  compute,
  inFull,
  readSample,
  sampleBlob,
  sampleSource,
  skimSample,
  smallParts,
} from '../../../test/support/sample-blob.ts';
import { refusedAs } from '../../../test/support/store-fixture.ts';
import { concat, equalBytes, fromUtf8, hex, utf8, viewOf } from '../../base/bytes.ts';
import { KelpieError, isKelpieError } from '../../base/errors.ts';
import { MIB, PAGE_BYTES } from '../../base/units.ts';
import { encodeSnapshotMetadata } from '../metadata-codec.ts';
import { PageRuns } from '../page-runs.ts';
import { readBlob } from './read-blob.ts';
import { encodeBlob } from './write-blob.ts';
import type { Bytes } from '../../base/bytes.ts';
import type { SampleParts } from '../../../test/support/sample-blob.ts';
import type { BlobContents, BlobVersion } from './contents.ts';
import type { BlobCodec } from './header.ts';

const refusals = ['package_corrupt', 'package_too_new', 'limit_exceeded'] as const;

const pageSet = fc
  .uniqueArray(fc.nat({ max: SMALL_PAGES - 1 }), { maxLength: SMALL_PAGES, size: 'max' })
  .map((pages) => pages.toSorted((a, b) => a - b));
const anyParts: fc.Arbitrary<SampleParts> = fc.record({
  deviceState: fc.nat({ max: 9000 }).map((length) => patternBytes(length, length)),
  memory: pageSet,
  disk: pageSet,
});
const anyStep = fc.integer({ min: 1000, max: 3 * MIB });
const anyForm = fc.constantFrom<readonly [BlobVersion, BlobCodec]>([1, 'stored'], [2, 'stored'], [2, 'zstd']);

test('what is read is what was written, cut anywhere', async () => {
  await fc.assert(
    fc.asyncProperty(anyParts, anyForm, anyStep, anyStep, async (parts, [version, codec], given, taken) => {
      const source = sampleSource(parts, given);
      const blob = await sampleBlob(version, source, codec);
      const read = await readSample(blob, taken);
      assert.deepEqual(read.contents?.metadata, source.metadata);
      assert.equal(read.contents.version, version);
      assert.ok(equalBytes(read.deviceStateBytes, parts.deviceState));
      assert.ok(equalBytes(read.memoryBytes, await inFull(source.memory)));
      const [disk] = source.disks;
      assert.ok(disk !== undefined);
      assert.ok(version === 1 || equalBytes(read.diskBytes, await inFull(disk)));
      // No page of the pattern is zero, so none that is not there comes.
      assert.equal(read.pages, parts.memory.length + (version === 1 ? 0 : parts.disk.length));
    }),
    { numRuns: 40 },
  );
});

test('one byte at a time', async () => {
  const read = await readSample(await sampleBlob(2), 1);
  assert.ok(equalBytes(read.memoryBytes, await inFull(sampleSource().memory)));
});

/** 32-bit words, little-endian. */
function words(...values: readonly number[]): Bytes {
  const bytes = new Uint8Array(values.length * 4);
  for (const [index, value] of values.entries()) viewOf(bytes).setUint32(index * 4, value, true);
  return bytes;
}

test('these are the bytes of version 1', async () => {
  const source = sampleSource();
  const blob = await sampleBlob(1, source);
  const metadata = encodeSnapshotMetadata(source.metadata);
  const head = concat([
    utf8('KLP1'),
    words(1, metadata.byteLength, 0, smallParts.deviceState.byteLength, 0, MIB, 0),
  ]);
  assert.equal(hex(blob.subarray(0, 32)), hex(head));
  const parts = concat([metadata, smallParts.deviceState, await inFull(source.memory)]);
  assert.ok(equalBytes(blob.subarray(32), parts));
});

test('these are the bytes of version 2', async () => {
  const source = sampleSource();
  const blob = await sampleBlob(2, source);
  const metadata = encodeSnapshotMetadata(source.metadata);
  const digest = (...parts: readonly Bytes[]): Bytes => createHash('sha256').update(concat(parts)).digest();
  const header = concat([
    utf8('KLP1'),
    words(2, metadata.byteLength, 0, 37, 0, 2, 0),
    words(MIB, 0, 2, 0, 0, 0),
    words(MIB, 0, 1, 0, 0, 0),
  ]);
  const memory = (await inFull(source.memory)).subarray(3 * PAGE_BYTES, 5 * PAGE_BYTES);
  const memoryFrame = concat([words(1, 2 * PAGE_BYTES, 3, 2), memory]);
  const [disk] = source.disks;
  assert.ok(disk !== undefined);
  const diskFrame = concat([words(1, PAGE_BYTES, 255, 1), (await inFull(disk)).subarray(255 * PAGE_BYTES)]);
  const parts = [header, metadata, smallParts.deviceState, memoryFrame, diskFrame];
  const digests = parts.map((part) => digest(part));
  const expected = concat([
    ...parts.flatMap((part, index) => [part, digests[index] ?? new Uint8Array(0)]),
    digest(...digests),
  ]);
  assert.equal(hex(blob.subarray(0, 112)), hex(expected.subarray(0, 112)));
  assert.ok(equalBytes(blob, expected));
});

test('every changed byte of version 2 is found', async () => {
  const blob = await sampleBlob(2);
  // Bytes of pages are all alike here; `test/snapshot-blob.test.ts` tries every one.
  const isTried = (at: number): boolean => at < 1200 || at > blob.byteLength - 200 || at % 37 === 0;
  for (let at = 0; at < blob.byteLength; at += 1)
    if (isTried(at))
      await refusedAs(skimSample(blob.with(at, (blob[at] ?? 0) ^ (1 << (at % 8)))), ...refusals);
});

test('frames that shrink are stored compressed, and every changed byte of them is found', async () => {
  const parts = { ...smallParts, memory: [3, 4, 5, 6, 7, 8], disk: [0] };
  const stored = await sampleBlob(2, sampleSource(parts));
  const blob = await sampleBlob(2, sampleSource(parts), 'zstd');
  assert.ok(blob.byteLength < stored.byteLength - 2 * PAGE_BYTES);
  const isTried = (at: number): boolean => at < 1200 || at > blob.byteLength - 200 || at % 37 === 0;
  for (let at = 0; at < blob.byteLength; at += 1) {
    if (!isTried(at)) continue;
    await refusedAs(skimSample(blob.with(at, (blob[at] ?? 0) ^ (1 << (at % 8)))), ...refusals);
    await refusedAs(skimSample(blob.subarray(0, at)), 'package_corrupt');
  }
});

test('a frame that would become more, or less, than it says is refused, also with all digests right', async () => {
  const source = sampleSource({ ...smallParts, memory: [3], disk: [] });
  let liarFactor = 1;
  const liar: typeof compute = {
    ...compute,
    packFrame: async (raw) => compute.packFrame(new Uint8Array(raw.byteLength * liarFactor), null),
  };
  const write = async (): Promise<Bytes> => {
    const chunks: Bytes[] = [];
    for await (const chunk of encodeBlob(source, 'zstd', liar)) chunks.push(chunk.slice());
    return concat(chunks);
  };
  await skimSample(await write());
  for (const factor of [2, 200, 0.5]) {
    liarFactor = factor;
    await refusedAs(skimSample(await write()), 'package_corrupt');
  }
});

/** What a blob says of itself; nothing of it is read. */
async function contentsOf(blob: Bytes): Promise<BlobContents> {
  const sink = new SampleSink();
  const enough = new KelpieError('canceled', 'that is enough.');
  sink.begin = async (contents) => {
    sink.contents = contents;
    return Promise.reject(enough);
  };
  await readBlob(streamOf(blob, blob.byteLength), sink, compute).catch((error: unknown) => {
    if (error !== enough) throw error;
  });
  assert.ok(sink.contents !== null);
  return sink.contents;
}

test('every changed byte of the header of version 1 is refused, and of the metadata too, or it says something else', async () => {
  const blob = await sampleBlob(1);
  const original = await contentsOf(blob);
  const end = 32 + encodeSnapshotMetadata(sampleSource().metadata).byteLength;
  for (let at = 0; at < 32; at += 1)
    await refusedAs(skimSample(blob.with(at, (blob[at] ?? 0) ^ (1 << (at % 8)))), ...refusals);
  const beginning = blob.slice(0, end);
  for (let at = 32; at < end; at += 1) {
    for (const bits of [0x01, 0x80]) {
      try {
        const { metadata } = await contentsOf(beginning.with(at, (blob[at] ?? 0) ^ bits));
        assert.notDeepEqual(metadata, original.metadata, `byte ${at} says nothing`);
      } catch (error) {
        assert.ok(isKelpieError(error, ...refusals), `byte ${at}: ${String(error)}`);
      }
    }
  }
});

test('every truncation is refused, and so is anything behind the end', async () => {
  for (const version of [1, 2] as const) {
    const blob = await sampleBlob(version);
    const isTried = (length: number): boolean =>
      length < 2000 || length > blob.byteLength - 200 || length % 16_411 === 0;
    for (let length = 0; length < blob.byteLength; length += 1)
      if (isTried(length)) await refusedAs(skimSample(blob.subarray(0, length)), 'package_corrupt');
    for (const more of [new Uint8Array(1), blob])
      await refusedAs(skimSample(concat([blob, more])), 'package_corrupt');
  }
});

/** A blob of version 2 with a field of its header changed and the header's digest made right again, as a liar would. */
async function forged(change: (view: DataView) => void): Promise<Bytes> {
  const blob = await sampleBlob(2);
  change(viewOf(blob));
  blob.set(createHash('sha256').update(blob.subarray(0, 80)).digest(), 80);
  return blob;
}

const lies: readonly [string, KelpieError['code'], RegExp, (view: DataView) => void][] = [
  ['no magic', 'package_corrupt', /does not begin/, (view) => view.setUint8(0, 0x6b)],
  ['version 0', 'package_corrupt', /version does not exist/, (view) => view.setUint32(4, 0, true)],
  ['version 3', 'package_too_new', /of version 3.*update/, (view) => view.setUint32(4, 3, true)],
  ['no metadata', 'package_corrupt', /no metadata/, (view) => view.setBigUint64(8, 0n, true)],
  [
    'long metadata',
    'limit_exceeded',
    /65537 for its metadata/,
    (view) => view.setBigUint64(8, 65_537n, true),
  ],
  ['endless metadata', 'limit_exceeded', /metadata/, (view) => view.setBigUint64(8, 2n ** 64n - 1n, true)],
  [
    'an endless device state',
    'limit_exceeded',
    /device state/,
    (view) => view.setBigUint64(16, 2n ** 63n, true),
  ],
  ['no memory', 'package_corrupt', /no memory/, (view) => view.setUint32(24, 0, true)],
  ['18 volumes', 'limit_exceeded', /disks/, (view) => view.setUint32(24, 18, true)],
  ['2³² − 1 volumes', 'limit_exceeded', /disks/, (view) => view.setUint32(24, 2 ** 32 - 1, true)],
  ['a reserved field', 'package_corrupt', /reserved/, (view) => view.setUint32(28, 1, true)],
  ['an endless memory', 'limit_exceeded', /its memory/, (view) => view.setBigUint64(32, 2n ** 60n, true)],
  ['half a page', 'package_corrupt', /whole pages/, (view) => view.setBigUint64(32, 2048n, true)],
  ['another memory', 'package_corrupt', /of its metadata/, (view) => view.setBigUint64(32, 2n ** 21n, true)],
  ['another disk', 'package_corrupt', /of its metadata/, (view) => view.setBigUint64(56, 2n ** 21n, true)],
  ['more pages than fit', 'package_corrupt', /more pages/, (view) => view.setBigUint64(40, 257n, true)],
  ['fewer pages than come', 'package_corrupt', /more pages/, (view) => view.setBigUint64(40, 1n, true)],
  ['a way of packing', 'package_too_new', /update/, (view) => view.setUint32(48, 2, true)],
  ['a reserved field of a volume', 'package_corrupt', /reserved/, (view) => view.setUint32(52, 1, true)],
];
for (const [name, code, sentence, change] of lies) {
  test(`refused: ${name}`, async () => {
    await assert.rejects(readSample(await forged(change)), (error) => {
      assert.ok(error instanceof KelpieError);
      assert.equal(error.code, code, error.message);
      assert.match(error.message, sentence);
      return true;
    });
  });
}

/** Where the memory's only frame begins in the sample of version 2. */
const frameAt = 112 + encodeSnapshotMetadata(sampleSource().metadata).byteLength + 32 + 37 + 32;
const frameLies: readonly [string, (view: DataView) => void][] = [
  ['no extents', (view) => view.setUint32(frameAt, 0, true)],
  ['too many extents', (view) => view.setUint32(frameAt, 257, true)],
  ['too many bytes', (view) => view.setUint32(frameAt + 4, MIB + 1, true)],
  ['another length than its pages', (view) => view.setUint32(frameAt + 4, PAGE_BYTES, true)],
  ['a page outside', (view) => view.setUint32(frameAt + 8, 255, true)],
  ['a page far outside', (view) => view.setUint32(frameAt + 8, 2 ** 32 - 1, true)],
  ['an empty extent', (view) => view.setUint32(frameAt + 12, 0, true)],
  ['an endless extent', (view) => view.setUint32(frameAt + 12, 2 ** 32 - 1, true)],
];
for (const [name, change] of frameLies) {
  test(`refused before its pages are taken: a frame with ${name}`, async () => {
    const blob = await sampleBlob(2);
    change(viewOf(blob));
    const sink = new SampleSink();
    await refusedAs(readBlob(streamOf(blob), sink, compute), 'package_corrupt');
    assert.equal(sink.pages, 0);
  });
}

test('metadata that is not metadata is refused', async () => {
  const source = sampleSource();
  const text = fromUtf8(encodeSnapshotMetadata(source.metadata));
  const blob = await sampleBlob(1, source);
  const at = fromUtf8(blob.subarray(32, 32 + text.length)).indexOf('"formatVersion":1');
  // A later format of the metadata, and one that never was.
  await refusedAs(readSample(blob.with(32 + at + 16, 0x39)), 'package_too_new');
  await refusedAs(readSample(blob.with(32 + at + 16, 0x30)), 'package_corrupt');
});

test('random bytes are refused, with and without a good beginning', async () => {
  const starts = [(await sampleBlob(1)).subarray(0, 900), (await sampleBlob(2)).subarray(0, 900)];
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...starts),
      fc.nat({ max: 900 }),
      fc.uint8Array({ maxLength: 4000 }),
      async (start, kept, noise) => {
        await refusedAs(skimSample(concat([start.subarray(0, kept), noise])), ...refusals);
      },
    ),
    { numRuns: 500 },
  );
});

test('a sink that refuses ends the reading, and the stream', async () => {
  const blob = await sampleBlob(2);
  let isEnded = false;
  async function* watched(): AsyncGenerator<Bytes> {
    try {
      yield* streamOf(blob, 1000);
    } finally {
      isEnded = true;
    }
  }
  const refusal = new KelpieError('image_not_found', 'there is no such image.');
  const sink = new SampleSink();
  sink.begin = async () => Promise.reject(refusal);
  await assert.rejects(readBlob(watched(), sink, compute), refusal);
  assert.ok(isEnded);
  assert.equal(sink.deviceStateBytes.byteLength, 0);
});

test('a writer whose source is not what it says fails', async () => {
  const source = sampleSource();
  const other = patternBytes(PAGE_BYTES, 9);
  const broken = [
    { ...source, deviceState: { ...source.deviceState, sizeBytes: 36 } },
    { ...source, deviceState: { ...source.deviceState, sizeBytes: 38 } },
    { ...source, memory: { ...source.memory, pages: () => streamOf(other) } },
    { ...source, memory: { ...source.memory, runs: PageRuns.of([{ firstPage: 1, count: 1 }]) } },
    { ...source, memory: { ...source.memory, sizeBytes: 2 * MIB } },
  ];
  for (const one of broken)
    for (const version of [1, 2] as const) await refusedAs(sampleBlob(version, one), 'snapshot_corrupt');
  await refusedAs(sampleBlob(2, { ...source, disks: [] }), 'snapshot_corrupt');
  await refusedAs(sampleBlob(2, { ...source, disks: [source.memory, source.memory] }), 'snapshot_corrupt');
});

test('a writer that is left ends its source', async () => {
  let isEnded = false;
  async function* endless(): AsyncGenerator<Bytes> {
    try {
      for (;;) yield new Uint8Array(PAGE_BYTES);
    } finally {
      isEnded = true;
    }
  }
  const source = sampleSource();
  const runs = PageRuns.of([{ firstPage: 0, count: SMALL_PAGES }]);
  let taken = 0;
  for await (const chunk of encodeBlob(
    { ...source, memory: { ...source.memory, runs, pages: endless } },
    'stored',
    compute,
  )) {
    taken += chunk.byteLength;
    if (taken > 20_000) break;
  }
  assert.ok(isEnded);
});
