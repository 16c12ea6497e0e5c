/** Whatever a store does to its objects, a reader says so in one sentence, and nothing wrong is ever given out. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concat } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import { isKelpieError } from '../../base/errors.ts';
import { MIB, PAGE_BYTES } from '../../base/units.ts';
import {
  memoryOf,
  memoryStore,
  packagesEnv,
  readEverything,
  tinyContents,
} from '../../../test/support/packages.ts';
import { sampleStoreKeys } from '../../../test/support/sample-keys.ts';
import { patternBytes } from '../../../test/support/sample-package.ts';
import { refusedAs } from '../../../test/support/store-fixture.ts';
import { writePackage } from '../../../test/support/written-package.ts';
import type { WriteOptions, WriterStore } from '../../../test/support/written-package.ts';
import { SEAL_BYTES } from '../../env/compute.ts';
import { createPackageSealing } from '../keys/package-sealing.ts';
import { listAll } from '../objects/list-all.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import { openPackage } from './open-package.ts';
import type { PackageStore } from './open-package.ts';
import { packageKey } from './package-key.ts';
import { packKey } from './pack-name.ts';
import { StoreMap } from './store-map.ts';
import { listedFrames } from './stored-stream.ts';

const session = '00000000-0000-4000-8000-0000000000f1';
const otherSession = '00000000-0000-4000-8000-0000000000f2';

async function publish(options: WriteOptions = {}): Promise<{ store: WriterStore; id: string }> {
  const store = memoryStore();
  return { store, id: await writePackage(packagesEnv, store, tinyContents, { session, ...options }) };
}

async function bytesOf(objects: ObjectStore, key: string): Promise<Bytes> {
  const object = await objects.get(key);
  assert.ok(object !== null, `there is ${key}`);
  return object.bytes;
}

async function refused(store: PackageStore, id: string, how: string): Promise<void> {
  await assert.rejects(readEverything(store, id), (error) => {
    assert.ok(isKelpieError(error, 'package_corrupt', 'package_too_new'), `${how}: ${String(error)}`);
    assert.match(error.message, /^[^\n]{10,600}\.$/, 'the message is a sentence');
    return true;
  });
}

/** The bytes of each frame and of the manifest are all that is read; the header of a pack is `verify`'s. */
const HEADER_BYTES = 28;

test('every flipped byte, every truncation and every missing object is noticed', async () => {
  const { store, id } = await publish();
  const keys: string[] = [];
  for await (const { key } of listAll(store.objects, '')) keys.push(key);
  assert.equal(keys.length, 2);
  for (const key of keys) {
    const whole = await bytesOf(store.objects, key);
    const start = key.startsWith('packs/') ? HEADER_BYTES : 0;
    for (let index = start; index < whole.byteLength; index += 1) {
      const flipped = whole.slice();
      flipped[index] = (flipped[index] ?? 0) ^ (1 << (index % 8));
      await store.objects.put(key, flipped);
      await refused(store, id, `byte ${index} of ${key}`);
    }
    for (let length = 0; length < whole.byteLength; length += 1) {
      await store.objects.put(key, whole.slice(0, length));
      await refused(store, id, `a cut of ${key} at ${length}`);
    }
    await store.objects.put(key, whole);
  }
  await readEverything(store, id);
  await store.objects.delete(packKey({ session, number: 0 }));
  await refused(store, id, 'the missing pack');
});

test('frames that changed places, packs that changed names, and packages under others’ names are noticed', async () => {
  const { store, id } = await publish({ pagesPerFrame: 1, framesPerPack: 3 });
  const [first, second] = [packKey({ session, number: 0 }), packKey({ session, number: 1 })];
  const [a, b] = [await bytesOf(store.objects, first), await bytesOf(store.objects, second)];
  await store.objects.put(first, b);
  await store.objects.put(second, a);
  await refused(store, id, 'packs that changed names');
  await store.objects.put(first, a);
  await store.objects.put(second, b);
  await readEverything(store, id);
  const another = await writePackage(
    packagesEnv,
    store,
    { ...tinyContents, memory: memoryOf([9]) },
    { session: otherSession },
  );
  const [mine, theirs] = [
    await bytesOf(store.objects, packageKey(id)),
    await bytesOf(store.objects, packageKey(another)),
  ];
  await store.objects.put(packageKey(id), theirs);
  await store.objects.put(packageKey(another), mine);
  for (const name of [id, another]) await refused(store, name, 'an older manifest under a newer name');
});

test('a frame that says less than it holds is no way to fill the memory', async () => {
  const { store, id } = await publish({
    lie: (body) => {
      const [frame] = listedFrames(body.deviceState);
      assert.ok(frame !== undefined);
      const frames = [{ ...frame, rawBytes: 7 }];
      return { body: { ...body, deviceState: { sizeBytes: 7, sha256: body.deviceState.sha256, frames } } };
    },
  });
  await refused(store, id, 'a decompression bomb');
});

test('a map that says another thing of a frame than it is, is noticed', async () => {
  const lies: ReadonlyMap<string, (map: StoreMap) => StoreMap> = new Map([
    ['more pages', (map: StoreMap) => changed(map, { rawBytes: 255 * PAGE_BYTES })],
    ['another codec', (map: StoreMap) => changed(map, { codec: 'stored' })],
    ['another number', (map: StoreMap) => changed(map, { number: 5, offset: 40 })],
    ['a place after the end of its pack', (map: StoreMap) => changed(map, { offset: 1_000_000 })],
    ['another digest', (map: StoreMap) => changed(map, { sha256: '00'.repeat(32) })],
  ]);
  for (const [how, lieOfMemory] of lies) {
    const { store, id } = await publish({ lieOfMemory });
    await refused(store, id, how);
  }
});

/** A plain store, and an encrypted one. */
function stores(): readonly WriterStore[] {
  const rules = { signingKey: null, trusted: null, store: sampleStoreKeys() };
  return [memoryStore(), { ...memoryStore(), sealing: createPackageSealing(packagesEnv, rules) }];
}

test('a frame that lies at any other offset than its package says is noticed, in a plain store and in an encrypted one', async () => {
  // Two pages that no codec shortens, each in a frame: as long as each other.
  const memory = new Uint8Array(MIB);
  memory.set(patternBytes(2 * PAGE_BYTES, 7));
  const contents = { ...tinyContents, memory };
  for (const store of stores()) {
    const own = store.sealing.newSession(packagesEnv.random);
    const id = await writePackage(packagesEnv, store, contents, { session: own, pagesPerFrame: 1 });
    await readEverything(store, id);
    const key = packKey({ session: own, number: 0 });
    const whole = await bytesOf(store.objects, key);
    const length = PAGE_BYTES + (store.sealing.isEncrypted ? SEAL_BYTES : 0);
    const [first, second] = [HEADER_BYTES, HEADER_BYTES + length];
    const swapped = whole.slice();
    swapped.set(whole.subarray(second, second + length), first);
    swapped.set(whole.subarray(first, second), second);
    const later = concat([whole.subarray(0, first), new Uint8Array(1), whole.subarray(first)]);
    const earlier = concat([whole.subarray(0, first), whole.subarray(first + 1), new Uint8Array(1)]);
    const twice = whole.slice();
    twice.set(whole.subarray(first, second), second);
    for (const [how, bytes] of Object.entries({ swapped, later, earlier, twice })) {
      await store.objects.put(key, bytes);
      await refused(store, id, `${how}, encrypted: ${store.sealing.isEncrypted}`);
    }
  }
});

test('nor does a map find a frame at any other offset, whoever wrote the map', async () => {
  for (const kind of stores()) {
    const own = kind.sealing.newSession(packagesEnv.random);
    const { objects, sealing } = kind;
    const write = async (lieOfMemory?: (map: StoreMap) => StoreMap): Promise<string> => {
      for await (const { key } of listAll(objects, '')) await objects.delete(key);
      const lie = lieOfMemory === undefined ? {} : { lieOfMemory };
      return await writePackage(packagesEnv, { objects, sealing }, tinyContents, { session: own, ...lie });
    };
    const opened = await openPackage(packagesEnv, kind, await write());
    const [frame] = (await opened.map('memory')).frames;
    assert.ok(frame !== undefined);
    const packBytes = (await bytesOf(objects, packKey(frame.pack))).byteLength;
    let refusals = 0;
    // All that are near, and some of the others.
    const last = packBytes - frame.storedBytes;
    for (let offset = HEADER_BYTES; offset <= last; offset += offset < frame.offset + 8 ? 1 : 41) {
      if (offset === frame.offset) continue;
      await refused(kind, await write((map) => changed(map, { offset })), `offset ${offset}`);
      refusals += 1;
    }
    assert.ok(refusals > 8, `${refusals} other offsets`);
  }
});

/** The same objects, read in another way. */
function getting({ objects }: WriterStore, get: ObjectStore['get']): PackageStore['objects'] {
  return { url: objects.url, head: async (key, options) => await objects.head(key, options), get };
}

function changed(map: StoreMap, change: Partial<StoreMap['frames'][number]>): StoreMap {
  const frames = map.frames.map((frame) => ({ ...frame, ...change }));
  return new StoreMap(map.pageCount, frames, map.columns);
}

test('bytes that were damaged on their way are fetched again', async () => {
  const { store, id } = await publish({ pagesPerFrame: 1 });
  for (const damageAt of [1, 2, 3, 4, 5]) {
    let gets = 0;
    const objects = getting(store, async (key, options) => {
      const object = await store.objects.get(key, options);
      gets += 1;
      if (object !== null && gets === damageAt && key.startsWith('packs/')) object.bytes.fill(0x55);
      return object;
    });
    const read = await readEverything({ ...store, objects }, id);
    assert.ok(gets >= damageAt);
    assert.ok(Buffer.compare(read.memory, tinyContents.memory) === 0);
  }
});

test('a store that gives other bytes than it was asked for is told', async () => {
  const { store, id } = await publish();
  const lies: ReadonlyMap<string, (bytes: Bytes) => Bytes> = new Map([
    ['too few', (bytes: Bytes) => bytes.slice(0, -1)],
    ['none', () => new Uint8Array(0)],
    ['too many', (bytes: Bytes) => concat([bytes, new Uint8Array(1)])],
    ['those of another place', (bytes: Bytes) => bytes.toReversed()],
    [
      'a document that says what went wrong',
      () => new TextEncoder().encode('<Error><Code>InternalError</Code></Error>'),
    ],
  ]);
  for (const [how, lie] of lies) {
    const objects = getting(store, async (key, options) => {
      const object = await store.objects.get(key, options);
      return object === null ? null : { ...object, bytes: lie(object.bytes) };
    });
    await refused({ ...store, objects }, id, how);
  }
  await refusedAs(readEverything(store, 'ff'.repeat(32)), 'package_not_found');
});
