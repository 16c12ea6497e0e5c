import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryOf, packagesEnv, tinyContents } from '../../../test/support/packages.ts';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { sampleSession } from '../../../test/support/sample-maps.ts';
import { refusedAs } from '../../../test/support/store-fixture.ts';
import { writePackage } from '../../../test/support/written-package.ts';
import { MemoryObjects } from '../objects/memory/memory-objects.ts';
import { StoreTrouble } from '../objects/store-trouble.ts';
import { StoreFigures, measured } from '../objects/wrappers/measured.ts';
import { wrapObjects } from '../objects/wrappers/wrap-objects.ts';
import { MANIFEST_BYTES_MAX } from './limits.ts';
import { PackageCache, listPackages } from './list-packages.ts';
import { packageKey } from './package-key.ts';
import { plainSealing } from './sealing.ts';

const clock = new ManualClock();
const store = { objects: new MemoryObjects({ clock }), sealing: plainSealing };
const figures = new StoreFigures();
const counted = { ...store, objects: measured(store.objects, clock, figures) };
const cache = new PackageCache();
const ids: string[] = [];

async function listed(): Promise<readonly string[]> {
  const listings = await listPackages(packagesEnv, counted, cache);
  return listings.map((listing) => (listing.damaged ? `damaged ${listing.id}` : listing.package.id));
}

test('packages are listed newest first, and each manifest is read once', async () => {
  assert.deepEqual(await listed(), []);
  for (let number = 1; number <= 3; number += 1) {
    await clock.advance(1000);
    const contents = { ...tinyContents, memory: memoryOf([1], number) };
    ids.unshift(await writePackage(packagesEnv, store, contents, { session: sampleSession(number) }));
  }
  assert.deepEqual(await listed(), ids);
  const { requests } = figures.of('get');
  assert.deepEqual(await listed(), ids);
  assert.equal(figures.of('get').requests, requests);
});

test('a damaged package is listed with its reason, whatever is wrong with it, also when it was whole before', async () => {
  const [newest = '', , oldest = ''] = ids;
  const whole = (await store.objects.get(packageKey(oldest)))?.bytes ?? assert.fail();
  for (const bytes of [
    new Uint8Array(0),
    new Uint8Array(100),
    new Uint8Array(MANIFEST_BYTES_MAX + 1),
    whole.slice(1),
  ]) {
    await store.objects.put(packageKey(oldest), bytes);
    const listings = await listPackages(packagesEnv, counted, cache);
    const damaged = listings.find((listing) => listing.damaged);
    assert.ok(damaged?.damaged === true && damaged.id === oldest);
    assert.match(damaged.reason, /\.$/);
    assert.equal(listings.length, 3);
  }
  await store.objects.put('packages/not-an-id', new Uint8Array(1));
  assert.equal((await listed()).length, 3);
  await store.objects.delete(packageKey(newest));
  assert.deepEqual(new Set(await listed()), new Set([ids[1], `damaged ${oldest}`]));
});

test('a store that does not answer is no damaged package', async () => {
  const silent = wrapObjects(store.objects, async ({ act }, run) => {
    if (act === 'get') throw new StoreTrouble('read_denied', 'this key may not read.');
    return await run();
  });
  await refusedAs(
    listPackages(packagesEnv, { ...store, objects: silent }, new PackageCache()),
    'permission_denied',
  );
});
