import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  memoryOf,
  memoryStore,
  packagesEnv,
  readEverything,
  tinyContents,
} from '../../../test/support/packages.ts';
import { refusedAs } from '../../../test/support/store-fixture.ts';
import { sampleStoreKeys } from '../../../test/support/sample-keys.ts';
import { writePackage } from '../../../test/support/written-package.ts';
import { createPackageSealing } from '../keys/package-sealing.ts';
import { listAll } from '../objects/list-all.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import { StoreTrouble } from '../objects/store-trouble.ts';
import { wrapObjects } from '../objects/wrappers/wrap-objects.ts';
import { condemnedKey } from './condemned-packs.ts';
import { copyPackage } from './copy-package.ts';
import type { CopyReport } from './copy-package.ts';
import { packageKey } from './package-key.ts';
import { packKey } from './pack-name.ts';
import { encodePin } from './pin.ts';
import type { PackageStore } from './open-package.ts';
import { encodeStoreRoot, readStoreRoot } from './store-root.ts';
import type { WriterStore } from '../../../test/support/written-package.ts';

const session = '00000000-0000-4000-8000-0000000000f1';
const scattered = { session, pagesPerFrame: 2, framesPerPack: 1 };
const contents = { ...tinyContents, memory: memoryOf([1, 2, 3, 5, 8, 13, 21, 34, 55, 89]) };

async function copy(
  source: WriterStore,
  target: PackageStore & WriterStore,
  id: string,
): Promise<CopyReport> {
  return await copyPackage(packagesEnv, source, { ...target, hostName: 'here' }, id);
}

async function keysOf(objects: ObjectStore): Promise<readonly string[]> {
  return (await Array.fromAsync(listAll(objects, ''))).map(({ key }) => key);
}

test('a copy is whole, has the same id, and is sent once', async () => {
  const [source, target] = [memoryStore(), memoryStore()];
  const id = await writePackage(packagesEnv, source, contents, scattered);
  const first = await copy(source, target, id);
  assert.equal(first.presentPacks, 0);
  assert.equal(first.madeStore, 'plain');
  assert.ok(first.copiedPacks > 2 && first.copiedBytes > 0);
  const read = await readEverything(target, id);
  assert.ok(Buffer.compare(read.memory, contents.memory) === 0);
  assert.deepEqual(await copy(source, target, id), {
    copiedPacks: 0,
    copiedBytes: 0,
    presentPacks: first.copiedPacks,
    isChecked: true,
    packageId: id,
    isResealed: false,
    signedBy: null,
    wasSignedBy: null,
    madeStore: null,
  });
  assert.ok(!(await keysOf(target.objects)).some((key) => key.startsWith('pins/')));
});

test('only missing packs are sent, and a damaged target is mended by it', async () => {
  const [source, target] = [memoryStore(), memoryStore()];
  const id = await writePackage(packagesEnv, source, contents, scattered);
  await copy(source, target, id);
  await target.objects.delete(packKey({ session, number: 1 }));
  await refusedAs(readEverything(target, id), 'package_corrupt');
  assert.equal((await copy(source, target, id)).copiedPacks, 1);
  await readEverything(target, id);
});

test('damage does not spread', async () => {
  const [source, target] = [memoryStore(), memoryStore()];
  const id = await writePackage(packagesEnv, source, contents, scattered);
  const key = packKey({ session, number: 0 });
  const whole = (await source.objects.get(key))?.bytes ?? assert.fail();
  for (const offset of [3, 20, 60, whole.byteLength - 1]) {
    const flipped = whole.slice();
    flipped[offset] = (flipped[offset] ?? 0) ^ 4;
    await source.objects.put(key, flipped);
    await refusedAs(copy(source, target, id), 'package_corrupt');
  }
  await source.objects.put(key, whole.slice(0, -1));
  await refusedAs(copy(source, target, id), 'package_corrupt');
  await source.objects.delete(key);
  await refusedAs(copy(source, target, id), 'package_corrupt');
  await refusedAs(copy(source, target, 'ee'.repeat(32)), 'package_not_found');
  assert.ok(!(await keysOf(target.objects)).some((one) => one === packageKey(id) || one.startsWith('pins/')));
});

test('packs that a sweep is about to remove are not written', async () => {
  const [source, target] = [memoryStore(), memoryStore()];
  const id = await writePackage(packagesEnv, source, contents, scattered);
  const condemned = encodePin({ hostName: 'sweeper', packs: [{ session, number: 1 }], startedAtUnixMs: 0 });
  await target.objects.put(condemnedKey('00000000-0000-4000-8000-00000000abcd'), condemned);
  await refusedAs(copy(source, target, id), 'store_conflict');
  assert.ok(!(await keysOf(target.objects)).some((key) => key.startsWith('packs/')));
});

test('a new place gets the keys of the source', async () => {
  const [source, target] = [memoryStore(), memoryStore()];
  const id = await writePackage(packagesEnv, source, contents, scattered);
  await source.objects.put('store.json', encodeStoreRoot({ storeId: session, keys: { keyIds: ['aa'] } }));
  await copy(source, target, id);
  assert.deepEqual((await readStoreRoot(target.objects))?.keys, { keyIds: ['aa'] });
  await copy(source, target, id);
});

test('a sealed package is copied as it is, checked by whoever has its keys', async () => {
  const keys = sampleStoreKeys();
  const rules = { signingKey: null, trusted: null };
  const sealing = createPackageSealing(packagesEnv, { ...rules, store: keys });
  const strangers = createPackageSealing(packagesEnv, { ...rules, store: sampleStoreKeys() });
  const source = { ...memoryStore(), sealing };
  const sealedSession = sealing.newSession(packagesEnv.random);
  const id = await writePackage(packagesEnv, source, contents, { ...scattered, session: sealedSession });
  const root = encodeStoreRoot({ storeId: session, keys: { keyIds: keys.dataKeys.map((key) => key.id) } });
  await source.objects.put('store.json', root);
  for (const [reader, isChecked] of [
    [sealing, true],
    [strangers, false],
  ] as const) {
    const target = memoryStore();
    assert.equal((await copy({ ...source, sealing: reader }, target, id)).isChecked, isChecked);
    const read = await readEverything({ ...target, sealing }, id);
    assert.ok(Buffer.compare(read.memory, contents.memory) === 0);
    await refusedAs(readEverything({ ...target, sealing: strangers }, id), 'permission_denied');
  }
});

test('a copy that is cut at any request is begun again, and nothing half is ever seen', async () => {
  const source = memoryStore();
  const id = await writePackage(packagesEnv, source, contents, scattered);
  for (let allowed = 0; ; allowed += 1) {
    const target = memoryStore();
    let acts = 0;
    const failing = wrapObjects(target.objects, async (_call, run) => {
      acts += 1;
      if (acts > allowed) throw new StoreTrouble('unavailable', 'the store does not answer any more.');
      return await run();
    });
    const cut = copy(source, { ...target, objects: failing }, id);
    if (
      await cut.then(
        () => true,
        () => false,
      )
    ) {
      assert.ok(allowed > 10);
      return;
    }
    const isThere = (await target.objects.head(packageKey(id))) !== null;
    if (isThere) await readEverything(target, id);
    await copy(source, target, id);
    await readEverything(target, id);
  }
});

test('a pin stays while it is not known whether the manifest will come', async () => {
  const [source, target] = [memoryStore(), memoryStore()];
  const id = await writePackage(packagesEnv, source, contents, scattered);
  const failing: ObjectStore = {
    ...wrapObjects(target.objects, async (_call, run) => await run()),
    putIfAbsent: async (key, bytes, options) => {
      if (key !== packageKey(id)) return await target.objects.putIfAbsent(key, bytes, options);
      throw new StoreTrouble('unavailable', 'the answer was lost.', { isOutcomeUnknown: true });
    },
  };
  await refusedAs(copy(source, { ...target, objects: failing }, id), 'store_unavailable');
  const pins = (await keysOf(target.objects)).filter((key) => key.startsWith('pins/'));
  assert.equal(pins.length, 1);
});
