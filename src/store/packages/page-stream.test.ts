import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { collect } from '../../../test/support/collect.ts';
import { memoryOf, memoryStore, packagesEnv, tinyContents } from '../../../test/support/packages.ts';
import { pageBytes } from '../../../test/support/publish-world.ts';
import { sampleSession } from '../../../test/support/sample-maps.ts';
import { refusedAs } from '../../../test/support/store-fixture.ts';
import { PackWriter, writePackage } from '../../../test/support/written-package.ts';
import type { WriterStore } from '../../../test/support/written-package.ts';
import { concat } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import { PAGE_BYTES } from '../../base/units.ts';
import { StoreFigures, measured } from '../objects/wrappers/measured.ts';
import { FrameReader } from './frame-reader.ts';
import { openPackage } from './open-package.ts';
import { packKey } from './pack-name.ts';
import { BATCH_FRAMES_MAX, FRAMES_KEPT_MAX, batchesOf, streamPages } from './page-stream.ts';
import { StoreMapBuilder } from './store-map-builder.ts';
import type { FrameInfo, StoreMap } from './store-map.ts';

const PAGES_OF_FRAME = 3;

/** Frames of a few pages each, every page other bytes; many to a pack. */
interface Frames {
  readonly store: WriterStore;
  readonly reader: (store: WriterStore) => FrameReader;
  readonly map: (pages: readonly (readonly [number, number] | null)[]) => StoreMap;
  readonly bytes: (frame: number, page: number) => Bytes;
}

async function writeFrames(count: number): Promise<Frames> {
  const store = memoryStore();
  const writer = new PackWriter(packagesEnv, store, sampleSession(1));
  const bytes = (frame: number, page: number): Bytes => pageBytes(1 + frame * PAGES_OF_FRAME + page);
  const infos: FrameInfo[] = [];
  for (let frame = 0; frame < count; frame += 1)
    infos.push(
      await writer.frame(concat(Array.from({ length: PAGES_OF_FRAME }, (_, page) => bytes(frame, page)))),
    );
  await writer.endPack();
  return {
    store,
    bytes,
    reader: (over) => new FrameReader(packagesEnv, over, { key: 'packages/none', packs: writer.packs }),
    map: (pages) => {
      const builder = new StoreMapBuilder(pages.length);
      for (const [index, place] of pages.entries()) {
        const info = place === null ? undefined : infos[place[0]];
        if (place !== null && info !== undefined) builder.append(index, 1, builder.frame(info), place[1]);
      }
      return builder.finish();
    },
  };
}

async function streamed(reader: FrameReader, map: StoreMap): Promise<Buffer> {
  return Buffer.concat(await collect(streamPages(reader, map, { item: 'memory' })));
}

test('pages come in order, wherever they are and however often', async () => {
  const frameCount = 100;
  const { store, reader, map, bytes } = await writeFrames(frameCount);
  const place = fc.tuple(fc.nat(frameCount - 1), fc.nat(PAGES_OF_FRAME - 1));
  const pages = fc.array(fc.option(place, { freq: 9 }), { minLength: 1, maxLength: 400, size: 'max' });
  await fc.assert(
    fc.asyncProperty(pages, async (places) => {
      const expected = places.flatMap((one) => (one === null ? [] : [bytes(...one)]));
      assert.ok((await streamed(reader(store), map(places))).equals(concat(expected)));
    }),
    { numRuns: 25 },
  );
});

test('a batch needs what it fetches and what was kept, within bounds', async () => {
  const frameCount = 100;
  const { map } = await writeFrames(frameCount);
  const pages = fc.array(fc.tuple(fc.nat(frameCount - 1), fc.constant(0)), { maxLength: 800, size: 'max' });
  fc.assert(
    fc.property(pages, (places) => {
      const all = map([null, ...places]);
      let held: ReadonlySet<number> = new Set();
      let next = 0;
      for (const { start, end, fetched, kept } of batchesOf(all)) {
        assert.equal(start, next);
        assert.ok(end > start && fetched.length <= BATCH_FRAMES_MAX && kept.size <= FRAMES_KEPT_MAX);
        assert.ok(fetched.every((frame) => !held.has(frame)));
        held = new Set([...held, ...fetched]);
        for (let run = start; run < end; run += 1) assert.ok(held.has(all.run(run).frame));
        assert.ok([...kept].every((frame) => held.has(frame)));
        [held, next] = [kept, end];
      }
      assert.equal(next, all.runCount);
    }),
    { numRuns: 25 },
  );
});

test('frames that are in use at the same time are fetched once', async () => {
  const frameCount = FRAMES_KEPT_MAX;
  const { store, reader, map, bytes } = await writeFrames(frameCount);
  // As if each frame were of another snapshot: every one is needed all along.
  const places = Array.from(
    { length: frameCount * 20 },
    (_, index) => [index % frameCount, index % 3] as const,
  );
  const figures = new StoreFigures();
  const objects = measured(store.objects, packagesEnv.clock, figures);
  const read = await streamed(reader({ ...store, objects }), map(places));
  assert.ok(read.equals(concat(places.map((one) => bytes(...one)))));
  const { requests } = figures.of('get');
  assert.equal(requests, frameCount / BATCH_FRAMES_MAX, 'frames side by side come with one request');
});

test('a package’s memory and disk as streams are those that were published', async () => {
  const store = memoryStore();
  const memory = memoryOf([0, 1, 2, 7, 200, 254, 255], 5);
  const id = await writePackage(packagesEnv, store, { ...tinyContents, memory }, { pagesPerFrame: 2 });
  const opened = await openPackage(packagesEnv, store, id);
  assert.equal(opened.deviceStateBytes, tinyContents.deviceState.byteLength);
  for (const [paged, contents] of [
    ['memory', memory],
    ['disk', tinyContents.disk],
  ] as const) {
    const runs = (await opened.map(paged)).nonZeroRuns();
    const wanted = [...runs].map(({ firstPage, count }) =>
      contents.subarray(firstPage * PAGE_BYTES, (firstPage + count) * PAGE_BYTES),
    );
    assert.ok(Buffer.concat(await collect(opened.pages(paged))).equals(concat(wanted)));
  }
});

test('damage is told before its pages are given out', async () => {
  const { store, reader, map } = await writeFrames(20);
  const all = map(Array.from({ length: 20 }, (_, frame) => [frame, 0] as const));
  const [first, second] = [
    packKey({ session: sampleSession(1), number: 0 }),
    packKey({ session: sampleSession(1), number: 1 }),
  ];
  const object = await store.objects.get(first);
  assert.ok(object !== null);
  const flipped = object.bytes.slice();
  flipped[flipped.byteLength - 1] = (flipped.at(-1) ?? 0) ^ 1;
  await store.objects.put(first, flipped);
  let givenBytes = 0;
  const read = async (): Promise<void> => {
    for await (const chunk of streamPages(reader(store), all, { item: 'memory' }))
      givenBytes += chunk.byteLength;
  };
  await refusedAs(read(), 'package_corrupt');
  assert.ok(givenBytes < 16 * PAGE_BYTES, 'the sixteenth frame is the damaged one');
  await store.objects.put(first, object.bytes);
  await store.objects.delete(second);
  await refusedAs(read(), 'package_not_found');
});

test('a reader that leaves or is canceled leaves nothing under way', async () => {
  const { store, reader, map } = await writeFrames(100);
  const all = map(Array.from({ length: 100 }, (_, frame) => [frame, 0] as const));
  let running = 0;
  const get: WriterStore['objects']['get'] = async (key, options) => {
    running += 1;
    try {
      return await store.objects.get(key, options);
    } finally {
      running -= 1;
    }
  };
  const objects = { url: 'memory:', get, head: store.objects.head.bind(store.objects) };
  const slow = new FrameReader(packagesEnv, { ...store, objects }, { key: 'packages/none', packs: [] });
  for await (const chunk of streamPages(slow, all, { item: 'memory' })) {
    assert.equal(chunk.byteLength, PAGE_BYTES);
    break;
  }
  assert.equal(running, 0);
  const controller = new AbortController();
  const canceled = async (): Promise<void> => {
    const stream = streamPages(reader(store), all, { item: 'memory', signal: controller.signal });
    for await (const chunk of stream) if (chunk.byteLength > 0) controller.abort();
  };
  await refusedAs(canceled(), 'canceled');
});
