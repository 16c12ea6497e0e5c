/** Copies between stores with other keys. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FaultyObjects } from '../../../test/support/faulty-objects.ts';
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
import type { WriterStore } from '../../../test/support/written-package.ts';
import { writePackage } from '../../../test/support/written-package.ts';
import { PAGE_BYTES } from '../../base/units.ts';
import { createSigningKey } from '../keys/signatures.ts';
import type { SigningKey } from '../keys/signatures.ts';
import { createPackageSealing } from '../keys/package-sealing.ts';
import type { StoreKeys } from '../keys/store-keys.ts';
import { listAll } from '../objects/list-all.ts';
import { copyPackage } from './copy-package.ts';
import type { CopyOptions, CopyReport } from './copy-package.ts';
import { openPackage } from './open-package.ts';
import { packageKey } from './package-key.ts';
import { packKey } from './pack-name.ts';
import { PackageVerifier } from './verify.ts';
import { encodeStoreRoot, readStoreRoot } from './store-root.ts';

/** Three frames of memory, of which pages lie apart; a long device state. */
const contents = {
  memory: memoryOf([0, 1, 7, 200, 255, 256, 300, 511, 700, 701, 1000], 1, 4),
  disk: memoryOf([3, 9], 2),
  deviceState: patternBytes(1_500_000, 3),
};

interface Options {
  readonly keys?: StoreKeys;
  readonly signingKey?: SigningKey;
}

/** A store that has its root. */
async function storeWith(storeId: number, { keys, signingKey }: Options = {}): Promise<WriterStore> {
  const { objects } = memoryStore();
  const json = keys === undefined ? null : { keyIds: keys.dataKeys.map(({ id }) => id) };
  const id = `00000000-0000-4000-8000-${String(storeId).padStart(12, '0')}`;
  await objects.put('store.json', encodeStoreRoot({ storeId: id, keys: json }));
  const rules = { signingKey: signingKey ?? null, trusted: null };
  return { objects, sealing: createPackageSealing(packagesEnv, { ...rules, store: keys ?? null }) };
}

async function publish(store: WriterStore): Promise<string> {
  const session = store.sealing.newSession(packagesEnv.random);
  return await writePackage(packagesEnv, store, contents, { session, pagesPerFrame: 4 });
}

async function copy(
  source: WriterStore,
  target: WriterStore,
  id: string,
  options: CopyOptions = {},
): Promise<CopyReport> {
  return await copyPackage(packagesEnv, source, { ...target, hostName: 'here' }, id, options);
}

async function keysOf({ objects }: WriterStore): Promise<readonly string[]> {
  return (await Array.fromAsync(listAll(objects, ''))).map(({ key }) => key);
}

async function assertWhole(store: WriterStore, id: string): Promise<void> {
  const read = await readEverything(store, id);
  for (const part of ['memory', 'disk', 'deviceState'] as const)
    assert.equal(Buffer.compare(read[part], contents[part]), 0, part);
  const { problems } = await new PackageVerifier(packagesEnv, store).verify(id);
  assert.deepEqual(problems, []);
}

test('between stores with other keys a package is sealed again, and is the same snapshot under another id', async () => {
  const [one, two] = [sampleStoreKeys(), sampleStoreKeys()];
  const ways: readonly (readonly [Options, Options, CopyOptions])[] = [
    [{}, { keys: one }, {}],
    [{ keys: one }, { keys: two }, {}],
    [{ keys: one }, {}, { mayDecrypt: true }],
  ];
  for (const [from, to, options] of ways) {
    const [source, target] = [await storeWith(1, from), await storeWith(2, to)];
    const id = await publish(source);
    const copied = await copy(source, target, id, options);
    assert.ok(copied.isResealed && copied.isChecked && copied.packageId !== id);
    assert.ok(copied.copiedPacks > 0 && copied.copiedBytes > 0);
    await assertWhole(target, copied.packageId);
    const [before, after] = [
      await openPackage(packagesEnv, source, id),
      await openPackage(packagesEnv, target, copied.packageId),
    ];
    assert.deepEqual(after.package.metadata, before.package.metadata);
    assert.equal(after.package.isEncrypted, to.keys !== undefined);
    const { memoryBytes, diskBytes } = after.package.sizes;
    assert.deepEqual([memoryBytes, diskBytes], [11 * PAGE_BYTES, 2 * PAGE_BYTES]);
    assert.ok(!(await keysOf(target)).some((key) => key.startsWith('pins/')));
  }
});

test('out of an encrypted store into a plain one only by a word of its own, and nothing is written before', async () => {
  const [source, target] = [await storeWith(1, { keys: sampleStoreKeys() }), await storeWith(2)];
  const id = await publish(source);
  await refusedAs(copy(source, target, id), 'usage');
  await assert.rejects(copy(source, target, id), /is encrypted and .* is not: .* --decrypt/);
  assert.deepEqual(await keysOf(target), ['store.json']);
});

test('an empty place becomes a store with the keys of the source, or by that word a plain one', async () => {
  const source = await storeWith(1, { keys: sampleStoreKeys() });
  const id = await publish(source);
  const sealed = memoryStore();
  const same = await copy(source, sealed, id);
  assert.deepEqual([same.madeStore, same.packageId, same.isResealed], ['encrypted', id, false]);
  await assertWhole({ ...sealed, sealing: source.sealing }, id);
  assert.equal((await copy(source, sealed, id)).madeStore, null);

  const plain = memoryStore();
  const opened = await copy(source, plain, id, { mayDecrypt: true });
  assert.deepEqual([opened.madeStore, opened.isResealed], ['plain', true]);
  assert.equal((await readStoreRoot(plain.objects))?.keys, null);
  await assertWhole(plain, opened.packageId);
  const again = await copy(source, plain, id, { mayDecrypt: true });
  assert.deepEqual([again.madeStore, again.copiedPacks], [null, 0]);
});

test('an empty place is not made a store for what this host cannot open', async () => {
  const source = await storeWith(1, { keys: sampleStoreKeys() });
  const id = await publish(source);
  const stranger = { ...source, sealing: (await storeWith(2, { keys: sampleStoreKeys() })).sealing };
  const target = memoryStore();
  await refusedAs(copy(stranger, target, id, { mayDecrypt: true }), 'permission_denied');
  assert.deepEqual(await keysOf(target), []);
});

test('what this host cannot open it cannot seal again, nor for a store that it may not write to', async () => {
  const [keys, others] = [sampleStoreKeys(), sampleStoreKeys()];
  const source = await storeWith(1, { keys });
  const id = await publish(source);
  const stranger = { ...source, sealing: (await storeWith(3, { keys: others })).sealing };
  const target = await storeWith(2, { keys: others });
  await refusedAs(copy(stranger, target, id), 'permission_denied');
  const changed = { ...target, sealing: (await storeWith(4)).sealing };
  await refusedAs(copy(source, changed, id), 'store_conflict');
  assert.deepEqual(await keysOf(target), ['store.json']);
});

test('the copy is signed by this host, or by nobody, and who signed before is told', async () => {
  const [first, second] = [createSigningKey(packagesEnv), createSigningKey(packagesEnv)];
  const source = await storeWith(1, { signingKey: first });
  const id = await publish(source);
  const keys = sampleStoreKeys();
  const signed = await copy(source, await storeWith(2, { keys, signingKey: second }), id);
  assert.deepEqual([signed.wasSignedBy, signed.signedBy], [first.publicKey, second.publicKey]);
  const unsigned = await copy(source, await storeWith(3, { keys }), id);
  assert.deepEqual([unsigned.wasSignedBy, unsigned.signedBy], [first.publicKey, null]);
});

test('a second copy sends nothing, and a damaged first one is sent anew', async () => {
  const [source, target] = [await storeWith(1), await storeWith(2, { keys: sampleStoreKeys() })];
  const id = await publish(source);
  const first = await copy(source, target, id);
  const again = await copy(source, target, id);
  assert.deepEqual(
    [again.packageId, again.copiedPacks, again.copiedBytes, again.presentPacks],
    [first.packageId, 0, 0, first.copiedPacks],
  );
  const { manifest } = await openPackage(packagesEnv, target, first.packageId);
  await target.objects.delete(packKey(manifest.packs[0] ?? assert.fail()));
  const third = await copy(source, target, id);
  assert.notEqual(third.packageId, first.packageId);
  await assertWhole(target, third.packageId);
});

test('damage in the source does not spread', async () => {
  const [source, target] = [await storeWith(1), await storeWith(2, { keys: sampleStoreKeys() })];
  const id = await publish(source);
  const pack = (await keysOf(source)).find((key) => key.startsWith('packs/')) ?? assert.fail();
  const whole = (await source.objects.get(pack))?.bytes ?? assert.fail();
  const flipped = whole.slice();
  flipped[60] = (flipped[60] ?? 0) ^ 4;
  await source.objects.put(pack, flipped);
  await refusedAs(copy(source, target, id), 'package_corrupt');
  assert.ok(!(await keysOf(target)).some((key) => /^(packages|pins)\//.test(key)));
});

test('cut at any request, or killed there, it is done again, and nothing half is ever seen', async () => {
  const source = await storeWith(1);
  const small = { ...tinyContents };
  const session = '00000000-0000-4000-8000-0000000000f1';
  const id = await writePackage(packagesEnv, source, small, { session });
  for (const how of ['refused', 'dead'] as const) {
    for (let at = 1; ; at += 1) {
      const target = await storeWith(2, { keys: sampleStoreKeys() });
      const store = new FaultyObjects(target.objects, { at, how });
      const cut = copy(source, { ...target, objects: store.objects }, id);
      const isDone = await cut.then(
        () => true,
        () => false,
      );
      for (const key of await keysOf(target))
        if (key.startsWith('packages/')) await readEverything(target, key.slice('packages/'.length));
      const { packageId } = await copy(source, target, id);
      assert.notEqual(await target.objects.head(packageKey(packageId)), null);
      assert.equal((await keysOf(target)).filter((key) => key.startsWith('packages/')).length, 1);
      if (isDone && store.acts < at) break;
    }
  }
});

test('canceled, it says so and leaves neither a manifest nor a pin', async () => {
  const [source, target] = [await storeWith(1), await storeWith(2, { keys: sampleStoreKeys() })];
  const id = await publish(source);
  const controller = new AbortController();
  const onProgress = (): void => controller.abort();
  await refusedAs(copy(source, target, id, { signal: controller.signal, onProgress }), 'canceled');
  assert.ok(!(await keysOf(target)).some((key) => /^(packages|pins)\//.test(key)));
});
