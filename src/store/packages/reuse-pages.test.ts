/** Downloads on hosts that have some of the pages. */
import assert from 'node:assert/strict';
import { readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { MemoryFile } from '../../../test/support/memory-file.ts';
import { quickCompute } from '../../../test/support/quick-compute.ts';
import {
  CountedCompute,
  EncodedPlaces,
  PublishWorld,
  pageBytes,
} from '../../../test/support/publish-world.ts';
import type { PageContents } from '../../../test/support/publish-world.ts';
import { sampleStoreKeys } from '../../../test/support/sample-keys.ts';
import { refusedAs } from '../../../test/support/store-fixture.ts';
import { concat } from '../../base/bytes.ts';
import { MIB, PAGE_BYTES } from '../../base/units.ts';
import type { Compute } from '../../env/compute.ts';
import { SystemError } from '../../env/system-error.ts';
import { OpenPageFiles } from '../../snapshot/open-page-files.ts';
import { createPackageSealing } from '../keys/package-sealing.ts';
import { StoreFigures, measured } from '../objects/wrappers/measured.ts';
import type { LocalPageFiles, LocalPageUse, LocalPages } from '../teleport-storage.ts';
import { SESSION_DOUBTS_MAX } from './limits.ts';
import { openPackage } from './open-package.ts';
import type { StoredPackage } from './open-package.ts';
import { StoreMapBuilder } from './store-map-builder.ts';
import type { StoreMap } from './store-map.ts';

const PAGES = (4 * MIB) / PAGE_BYTES;
const FRAMES_AT_ONCE = 4;

/** What one host knows of its files. */
class LocalKnowledge implements LocalPageFiles {
  readonly uses: LocalPageUse[] = [];
  readonly #world: PublishWorld;
  readonly #places: EncodedPlaces;

  constructor(world: PublishWorld, places: EncodedPlaces) {
    this.#world = world;
    this.#places = places;
  }

  async *places(): AsyncGenerator<{ readonly file: string; readonly places: StoreMap }> {
    for (const file of this.#places.files.keys()) {
      const places = await this.#places.of(file);
      if (places !== null) yield { file, places };
    }
  }

  open(): OpenPageFiles {
    const pathOf = (file: string): string => this.#world.pathOf(file);
    return new OpenPageFiles(this.#world.env.files, pathOf, { zerosAfterEnd: true });
  }

  used(use: LocalPageUse): void {
    this.uses.push(use);
  }
}

interface Journey {
  readonly world: PublishWorld;
  /** What the laptop knows, which sent the VM away and wants it back. */
  readonly laptop: EncodedPlaces;
  readonly sent: LocalPages;
  /** The package that comes back, and what is in it. */
  readonly id: string;
  readonly contents: PageContents;
}

/** Laptop → cloud → store: `changed` pages were written in the cloud. */
async function onTheWayBack(
  world: PublishWorld,
  before: PageContents,
  changed: readonly number[],
): Promise<Journey> {
  const laptop = world.places;
  const sent = await world.mappable(before);
  const first = await openPackage(world.env, world, (await world.publish({ memory: sent })).id);
  const cloud = new EncodedPlaces();
  world.places = cloud;
  const fetched = await world.mappable(before);
  await cloud.set(fetched.map.pageFiles[0] ?? assert.fail(), await first.map('memory'));
  const contents = before.map((page, index) => (changed.includes(index) ? page + 100_000 : page));
  const later = await world.overlay(fetched, contents, new Set(changed));
  const { id } = await world.publish({ memory: later });
  world.places = laptop;
  return { world, laptop, sent, id, contents };
}

interface Fetched {
  readonly use: LocalPageUse;
  /** All that came, and what was told of it for the memory. */
  readonly receivedBytes: number;
  readonly movedBytes: number;
}

/** Fetches the memory on the laptop, and compares it. */
async function fetchBack({ world, laptop, id, contents }: Journey): Promise<Fetched> {
  const figures = new StoreFigures();
  const objects = measured(world.objects, world.env.clock, figures);
  const opened = await openPackage(world.env, { objects, sealing: world.sealing }, id);
  const local = new LocalKnowledge(world, laptop);
  const movedBytes = await assertFetched(opened, local, contents);
  const { receivedBytes } = figures.of('get');
  return { use: local.uses[0] ?? assert.fail(), receivedBytes, movedBytes };
}

/** @returns how much is told to have moved. */
async function assertFetched(
  opened: StoredPackage,
  local: LocalPageFiles,
  contents: PageContents,
): Promise<number> {
  const target = new MemoryFile(contents.length * PAGE_BYTES);
  let [lastDone, lastMoved] = [0, 0];
  await opened.fetchPages('memory', target, {
    local,
    onProgress: ({ doneBytes, totalBytes, movedBytes = 0 }) => {
      assert.ok(doneBytes > lastDone && doneBytes <= totalBytes);
      [lastDone, lastMoved] = [doneBytes, movedBytes];
    },
  });
  const wanted = concat(contents.map(pageBytes));
  assert.ok(Buffer.compare(target.bytes, wanted) === 0, 'what is there is what was published');
  assert.equal(lastDone, contents.filter((content) => content !== 0).length * PAGE_BYTES);
  return lastMoved;
}

const full: PageContents = Array.from({ length: PAGES }, (_, page) => page + 1);
const someChanged = [3, 4, 300, 777, 1000];

function fileOf({ sent }: Journey): string {
  return sent.map.pageFiles[0] ?? assert.fail();
}

async function flip(path: string, offset: number): Promise<void> {
  const bytes = await readFile(path);
  bytes[offset] = (bytes[offset] ?? 0) ^ 4;
  await writeFile(path, bytes);
}

test('what a host has sent it does not fetch again, also from an encrypted store', async () => {
  for (const isEncrypted of [false, true]) {
    await PublishWorld.with(async (world) => {
      const store = sampleStoreKeys();
      if (isEncrypted)
        world.sealing = createPackageSealing(world.env, { store, signingKey: null, trusted: null });
      const { use, receivedBytes, movedBytes } = await fetchBack(
        await onTheWayBack(world, full, someChanged),
      );
      assert.equal(use.usedBytes, (PAGES - someChanged.length) * PAGE_BYTES);
      assert.deepEqual([use.item, use.doubtedFrames, use.cause], ['memory', 0, null]);
      // The pages that changed, the manifest and the maps.
      const changedBytes = someChanged.length * PAGE_BYTES;
      assert.ok(receivedBytes < changedBytes + 6000, `${receivedBytes} bytes`);
      assert.ok(movedBytes > changedBytes * 0.9 && movedBytes <= receivedBytes, `${movedBytes} told`);
    });
  }
});

test('a frame of which one page is not here is fetched, and others are not', async () => {
  await PublishWorld.with(async (world) => {
    const journey = await onTheWayBack(world, full, someChanged);
    const file = fileOf(journey);
    const known = (await journey.laptop.of(file)) ?? assert.fail();
    const builder = new StoreMapBuilder(known.pageCount);
    for (const { firstPage, count, frame, framePage } of known.runs()) {
      const isCut = firstPage <= 600 && 600 < firstPage + count;
      for (let page = 0; page < count; page += 1) {
        if (isCut && firstPage + page === 600) continue;
        const info = known.frames[frame] ?? assert.fail();
        builder.append(firstPage + page, 1, builder.frame(info), framePage + page);
      }
    }
    await journey.laptop.set(file, builder.finish());
    const { use } = await fetchBack(journey);
    assert.equal(use.doubtedFrames, 0);
    // None of the 256 pages of its frame has changed.
    assert.equal(use.usedBytes, (PAGES - 256 - someChanged.length) * PAGE_BYTES);
  });
});

test('damaged, cut or vanished files are never believed: their frames are fetched, and it is told', async () => {
  const ways: readonly (readonly [(path: string) => Promise<void>, number])[] = [
    [async (path) => await flip(path, 700 * PAGE_BYTES + 11), 1],
    // One that the package does not need has its frame proven, or not, all the same.
    [async (path) => await flip(path, 777 * PAGE_BYTES), 1],
    [async (path) => await truncate(path, 520 * PAGE_BYTES), 2],
    [async (path) => await rm(path), 4],
  ];
  for (const [damage, doubted] of ways) {
    await PublishWorld.with(async (world) => {
      const journey = await onTheWayBack(world, full, someChanged);
      await damage(world.pathOf(fileOf(journey)));
      const { use } = await fetchBack(journey);
      assert.equal(use.doubtedFrames, doubted);
      assert.equal(use.cause !== null, doubted === 4);
      assert.equal(use.usedBytes > 0, doubted < 4);
    });
  }
});

test('frames of a publisher that packs otherwise are given up soon', async () => {
  await PublishWorld.with(async (world) => {
    const many = Array.from({ length: 12 * 256 }, (_, page) => page + 1);
    const journey = await onTheWayBack(world, many, []);
    const counted = new CountedCompute({ ...quickCompute(), packFrame: packOtherwise });
    const opened = await openPackage({ ...world.env, compute: counted.compute }, world, journey.id);
    const local = new LocalKnowledge(world, journey.laptop);
    await assertFetched(opened, local, many);
    const [use] = local.uses;
    assert.deepEqual([use?.usedBytes, use?.doubtedFrames], [0, 12]);
    assert.ok(counted.rawBytes <= (SESSION_DOUBTS_MAX + FRAMES_AT_ONCE) * MIB, `${counted.rawBytes} bytes`);
  });
});

/** A step of what a host may know, right or wrong. */
const knowledge = fc.record({
  contents: fc.array(fc.nat(6), { minLength: 1, maxLength: 300 }),
  changed: fc.array(fc.nat(299), { maxLength: 20 }),
  /** Pages of the laptop's file that have other bytes than it knows. */
  damaged: fc.array(fc.nat(299), { maxLength: 3 }),
  /** By how many pages what it knows is wrong. */
  shifts: fc.constantFrom(0, 0, 1, 5),
  forgets: fc.boolean(),
});

test('whatever a host knows and has, right or wrong, what it fetches is what was published', async () => {
  await fc.assert(
    fc.asyncProperty(knowledge, async ({ contents, changed, damaged, shifts, forgets }) => {
      await PublishWorld.with(async (world) => {
        const all = Array.from(
          { length: MIB / PAGE_BYTES },
          (_, page) => contents[page - 1] ?? (page === 0 ? 1 : 0),
        );
        const inside = changed.filter((page) => page < all.length);
        const journey = await onTheWayBack(world, all, [...new Set(inside)]);
        const file = fileOf(journey);
        for (const page of damaged) await flip(world.pathOf(file), page * PAGE_BYTES);
        const known = await journey.laptop.of(file);
        if (known !== null && shifts > 0) await journey.laptop.set(file, shifted(known, shifts));
        if (forgets) journey.laptop.files.clear();
        await fetchBack(journey);
      });
    }),
    { numRuns: 15 },
  );
});

test('a full disk, and a cancel, end it at once, with nothing under way and no file open', async () => {
  await PublishWorld.with(async (world) => {
    const journey = await onTheWayBack(world, full, someChanged);
    const opened = await openPackage(world.env, world, journey.id);
    const local = new LocalKnowledge(world, journey.laptop);
    const disk = new MemoryFile(full.length * PAGE_BYTES);
    disk.onWrite = () => {
      if (disk.writes === 3) throw new SystemError('ENOSPC', 'write', '/target');
    };
    await refusedAs(opened.fetchPages('memory', disk, { local }), 'disk_full');
    const target = new MemoryFile(full.length * PAGE_BYTES);
    const controller = new AbortController();
    target.onWrite = () => controller.abort();
    const { signal } = controller;
    await refusedAs(opened.fetchPages('memory', target, { local, signal }), 'canceled');
    const { writes } = target;
    for (let turns = 0; turns < 20; turns += 1) await new Promise(setImmediate);
    assert.equal(target.writes, writes);
    assert.deepEqual(local.uses, []);
  });
});

function shifted(known: StoreMap, pages: number): StoreMap {
  const builder = new StoreMapBuilder(known.pageCount + pages);
  for (const { firstPage, count, frame, framePage } of known.runs())
    builder.append(firstPage + pages, count, builder.frame(known.frames[frame] ?? assert.fail()), framePage);
  return builder.finish();
}

/** As another version of zstd would: the same raw bytes, other stored ones. */
const packOtherwise: Compute['packFrame'] = async (raw, seal) =>
  await quickCompute().packFrame(raw.toReversed(), seal);
