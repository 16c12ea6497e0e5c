import assert from 'node:assert/strict';
import { test } from 'node:test';
import { patternBytes } from '../../../test/support/sample-package.ts';
import { memoryOf, memoryStore, packagesEnv, tinyContents } from '../../../test/support/packages.ts';
import { refusedAs } from '../../../test/support/store-fixture.ts';
import { writePackage } from '../../../test/support/written-package.ts';
import type { WriterStore } from '../../../test/support/written-package.ts';
import { StoreTrouble } from '../objects/store-trouble.ts';
import { StoreFigures, measured } from '../objects/wrappers/measured.ts';
import { wrapObjects } from '../objects/wrappers/wrap-objects.ts';
import { packageKey } from './package-key.ts';
import { packKey } from './pack-name.ts';
import { PackageVerifier } from './verify.ts';
import type { PackageVerdict, VerifyOptions } from './verify.ts';

const session = '00000000-0000-4000-8000-0000000000f1';
const otherSession = '00000000-0000-4000-8000-0000000000f2';
const contents = {
  ...tinyContents,
  memory: memoryOf(Array.from({ length: 60 }, (_, page) => page * 3)),
  deviceState: patternBytes(2_500_000, 3),
};

async function verify(store: WriterStore, id: string, options: VerifyOptions = {}): Promise<PackageVerdict> {
  return await new PackageVerifier(packagesEnv, store, options).verify(id);
}

test('a whole package has no problems, and every frame of it was read', async () => {
  const store = memoryStore();
  const id = await writePackage(packagesEnv, store, contents, {
    session,
    pagesPerFrame: 10,
    framesPerPack: 4,
  });
  const seen: number[] = [];
  const verdict = await verify(store, id, { onProgress: ({ doneBytes }) => void seen.push(doneBytes) });
  // Six of the memory, one of the disk, three of the device state, two maps.
  assert.deepEqual({ ...verdict, checkedBytes: 0 }, { id, problems: [], frames: 12, checkedBytes: 0 });
  assert.ok(verdict.checkedBytes > contents.deviceState.byteLength);
  assert.ok((seen.at(-1) ?? 0) > 0);
  const quick = await verify(store, id, { isQuick: true });
  assert.deepEqual(quick, { id, problems: [], frames: 0, checkedBytes: 0 });
});

test('every flipped byte of every object is found, those that no reader looks at too', async () => {
  const store = memoryStore();
  const id = await writePackage(packagesEnv, store, tinyContents, { session });
  for (const key of [packKey({ session, number: 0 }), packageKey(id)]) {
    const whole = (await store.objects.get(key))?.bytes ?? assert.fail();
    for (let index = 0; index < whole.byteLength; index += key.startsWith('packs/') ? 1 : 13) {
      const flipped = whole.slice();
      flipped[index] = (flipped[index] ?? 0) ^ (1 << (index % 8));
      await store.objects.put(key, flipped);
      const { problems } = await verify(store, id);
      assert.ok(problems.length > 0, `byte ${index} of ${key}`);
      for (const problem of problems) assert.match(problem, /^[^\n]{10,600}\.$/);
    }
    await store.objects.put(key, whole);
  }
});

test('a quick look finds what is missing and what is cut, and reads no pages', async () => {
  const plain = memoryStore();
  const id = await writePackage(packagesEnv, plain, contents, {
    session,
    pagesPerFrame: 10,
    framesPerPack: 4,
  });
  const figures = new StoreFigures();
  const store = { ...plain, objects: measured(plain.objects, packagesEnv.clock, figures) };
  assert.deepEqual((await verify(store, id, { isQuick: true })).problems, []);
  assert.ok(figures.of('get').receivedBytes < 20_000);
  const key = packKey({ session, number: 0 });
  const whole = (await plain.objects.get(key))?.bytes ?? assert.fail();
  await plain.objects.put(key, whole.slice(0, -1));
  assert.match((await verify(plain, id, { isQuick: true })).problems.join(), /is cut/);
  await plain.objects.delete(key);
  assert.match((await verify(plain, id, { isQuick: true })).problems.join(), /is not in the store/);
});

test('one damaged frame is one problem, and the others are checked all the same', async () => {
  const store = memoryStore();
  const id = await writePackage(packagesEnv, store, contents, {
    session,
    pagesPerFrame: 10,
    framesPerPack: 2,
  });
  const key = packKey({ session, number: 1 });
  const whole = (await store.objects.get(key))?.bytes ?? assert.fail();
  const flipped = whole.slice();
  flipped[40] = (flipped[40] ?? 0) ^ 1;
  await store.objects.put(key, flipped);
  const { problems, frames } = await verify(store, id);
  assert.equal(problems.length, 1);
  assert.match(problems[0] ?? '', /^frame 0 of pack .* is damaged/);
  assert.equal(frames, 11);
});

test('what packages share is read once', async () => {
  const plain = memoryStore();
  const first = await writePackage(packagesEnv, plain, contents, { session });
  const second = await writePackage(packagesEnv, plain, tinyContents, { session: otherSession });
  const figures = new StoreFigures();
  const store = { ...plain, objects: measured(plain.objects, packagesEnv.clock, figures) };
  const verifier = new PackageVerifier(packagesEnv, store);
  const once = (await verifier.verify(first)).checkedBytes;
  const before = figures.of('get').receivedBytes;
  assert.ok(before > once);
  assert.deepEqual((await verifier.verify(first)).problems, []);
  assert.ok(figures.of('get').receivedBytes - before < 20_000);
  assert.deepEqual((await verifier.verify(second)).problems, []);
});

test('a package that is not there, and a store that does not answer, are no verdicts', async () => {
  const store = memoryStore();
  const id = await writePackage(packagesEnv, store, tinyContents, { session });
  await refusedAs(verify(store, 'ee'.repeat(32)), 'package_not_found');
  const silent = wrapObjects(store.objects, async ({ act }, run) => {
    if (act === 'list') throw new StoreTrouble('unavailable', 'the store does not answer.');
    return await run();
  });
  await refusedAs(verify({ ...store, objects: silent }, id), 'store_unavailable');
});
