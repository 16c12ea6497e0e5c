import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { MIB, PAGE_BYTES } from '../../base/units.ts';
import { SystemError } from '../../env/system-error.ts';
import { MemoryFile } from '../../../test/support/memory-file.ts';
import { memoryOf, memoryStore, packagesEnv, tinyContents } from '../../../test/support/packages.ts';
import { refusedAs } from '../../../test/support/store-fixture.ts';
import { PackWriter, writePackage } from '../../../test/support/written-package.ts';
import type { WriterStore } from '../../../test/support/written-package.ts';
import { wrapObjects } from '../objects/wrappers/wrap-objects.ts';
import type { FetchJournal, TransferProgress } from '../teleport-storage.ts';
import { fetchPages } from './fetch-pages.ts';
import { FrameReader, RANGES_AT_ONCE } from './frame-reader.ts';
import { FETCH_CHECKPOINT_MS } from './limits.ts';
import { openPackage } from './open-package.ts';
import type { StoredPackage } from './open-package.ts';
import { StoreMapBuilder } from './store-map-builder.ts';

const manyPages = Array.from({ length: 512 }, (_, page) => page).filter((page) => page % 5 !== 0);
const memory = memoryOf(manyPages, 5, 2);
/** Forty frames in twenty packs: each is a request of its own. */
const scattered = { pagesPerFrame: 10, framesPerPack: 2 };

async function scatteredPackage(store: WriterStore): Promise<StoredPackage> {
  const id = await writePackage(packagesEnv, store, { ...tinyContents, memory }, scattered);
  return await openPackage(packagesEnv, store, id);
}

/** A journal that remembers, and checks that what it is told is durable. */
class TestJournal implements FetchJournal {
  readonly frames = new Set<number>();
  readonly isDone = (frame: number): boolean => this.frames.has(frame);
  readonly done = async (frames: readonly number[]): Promise<void> => {
    for (const frame of frames) this.frames.add(frame);
  };
}

test('progress tells the pages of the map, up to all of them', async () => {
  const opened = await scatteredPackage(memoryStore());
  const seen: TransferProgress[] = [];
  const target = new MemoryFile(2 * MIB);
  const map = await opened.fetchPages('memory', target, {
    onProgress: (progress) => void seen.push(progress),
  });
  assert.ok(Buffer.compare(target.bytes, memory) === 0);
  const totalBytes = manyPages.length * PAGE_BYTES;
  const last = seen.at(-1);
  assert.deepEqual(
    { ...last, movedBytes: 0 },
    { item: 'memory', doneBytes: totalBytes, totalBytes, movedBytes: 0 },
  );
  assert.equal(seen.length, map.frames.length);
});

test('what has moved is told with the last page, also where one request brings all', async () => {
  for (const options of [{}, scattered]) {
    const store = memoryStore();
    const id = await writePackage(packagesEnv, store, { ...tinyContents, memory }, options);
    const opened = await openPackage(packagesEnv, store, id);
    let movedBytes = 0;
    const map = await opened.fetchPages('memory', new MemoryFile(2 * MIB), {
      onProgress: (progress) => void (movedBytes = progress.movedBytes ?? 0),
    });
    assert.equal(
      movedBytes,
      map.frames.reduce((sum, { storedBytes }) => sum + storedBytes, 0),
    );
  }
});

test('any map is scattered to its places: a page in several places, in any order, and parts of frames', async () => {
  const store = memoryStore();
  const writer = new PackWriter(packagesEnv, store, '00000000-0000-4000-8000-0000000000f1');
  const source = memoryOf([...Array(64).keys()], 8).subarray(0, 64 * PAGE_BYTES);
  const half = source.byteLength / 2;
  const infos = [await writer.frame(source.slice(0, half)), await writer.frame(source.slice(half))];
  await writer.endPack();
  const reader = new FrameReader(packagesEnv, store, { key: 'packages/x', packs: writer.packs });
  const anyPlaces = fc.array(fc.option(fc.nat(63)), { minLength: 1, maxLength: 100 });
  await fc.assert(
    fc.asyncProperty(anyPlaces, async (places) => {
      const builder = new StoreMapBuilder(places.length);
      const expected = new Uint8Array(places.length * PAGE_BYTES);
      for (const [page, place] of places.entries()) {
        const info = place === null ? undefined : infos[place >> 5];
        if (place === null || info === undefined) continue;
        builder.append(page, 1, builder.frame(info), place & 31);
        expected.set(source.subarray(place * PAGE_BYTES, (place + 1) * PAGE_BYTES), page * PAGE_BYTES);
      }
      const target = new MemoryFile(places.length * PAGE_BYTES);
      await fetchPages(packagesEnv, reader, builder.finish(), target, { item: 'memory' });
      assert.ok(Buffer.compare(target.bytes, expected) === 0);
    }),
    { numRuns: 50 },
  );
});

test('a download that failed goes on where it stopped, and what the journal has is durable', async () => {
  const plain = memoryStore();
  const { package: whole } = await scatteredPackage(plain);
  const journal = new TestJournal();
  const target = new MemoryFile(2 * MIB);
  let gets = 0;
  let tries = 0;
  for (; ; tries += 1) {
    assert.ok(tries < 50);
    let answered = 0;
    const failing = wrapObjects(plain.objects, async ({ act }, run) => {
      if (act === 'get' && answered === 6) throw new Error('the network is gone');
      const answer = await run();
      answered += 1;
      gets += 1;
      return answer;
    });
    try {
      const opened = await openPackage(packagesEnv, plain, whole.id);
      const reader = new FrameReader(
        packagesEnv,
        { ...plain, objects: failing },
        { key: 'packages/x', packs: opened.manifest.packs },
      );
      await fetchPages(packagesEnv, reader, await opened.map('memory'), target, { item: 'memory', journal });
      break;
    } catch (error) {
      assert.match(String(error), /network is gone/);
      target.bytes.set(target.durable);
    }
  }
  assert.ok(Buffer.compare(target.bytes, memory) === 0);
  assert.ok(
    gets <= 21 + tries * RANGES_AT_ONCE,
    `${gets} answers for some twenty packs: what was there was not fetched again`,
  );
  assert.ok(tries > 1);
});

test('a long download is made durable every few seconds, a short one never', async () => {
  const store = memoryStore();
  const opened = await scatteredPackage(store);
  const map = await opened.map('memory');
  const run = async (stepMs: number): Promise<{ journal: TestJournal; target: MemoryFile }> => {
    let nowMs = 0;
    const clock = { monotonicMs: (): number => nowMs };
    const journal = new TestJournal();
    const target = new MemoryFile(2 * MIB);
    target.onWrite = () => void (nowMs += stepMs);
    await fetchPages({ clock }, opened.reader, map, target, { item: 'memory', journal });
    return { journal, target };
  };
  const quick = await run(0);
  assert.equal(quick.journal.frames.size, 0);
  const slow = await run(FETCH_CHECKPOINT_MS / 4);
  assert.ok(slow.journal.frames.size > map.frames.length / 2);
  assert.ok(slow.target.durable.some((byte) => byte !== 0));
});

test('a full disk, and a cancel, end a download at once, with nothing under way', async () => {
  const opened = await scatteredPackage(memoryStore());
  const full = new MemoryFile(2 * MIB);
  full.onWrite = () => {
    if (full.writes === 7) throw new SystemError('ENOSPC', 'write', '/target');
  };
  await refusedAs(opened.fetchPages('memory', full), 'disk_full');
  assert.equal(full.writes, 7);
  const target = new MemoryFile(2 * MIB);
  const controller = new AbortController();
  target.onWrite = () => controller.abort();
  await refusedAs(opened.fetchPages('memory', target, { signal: controller.signal }), 'canceled');
  const { writes } = target;
  for (let turns = 0; turns < 20; turns += 1) await new Promise(setImmediate);
  assert.equal(target.writes, writes);
  await refusedAs(opened.fetchPages('memory', target, { signal: AbortSignal.abort() }), 'canceled');
});
