import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS } from '../../base/units.ts';
import { memoryOf, memoryStore, packagesEnv, tinyContents } from '../../../test/support/packages.ts';
import { sampleRecord } from '../../../test/support/ownership-suite.ts';
import { sampleSession } from '../../../test/support/sample-maps.ts';
import { sampleMetadata } from '../../../test/support/sample-package.ts';
import { refusedAs } from '../../../test/support/store-fixture.ts';
import { writePackage } from '../../../test/support/written-package.ts';
import type { WriterStore } from '../../../test/support/written-package.ts';
import type { OwnershipState } from '../ownership-records.ts';
import { ObjectOwnership } from '../records/object-ownership.ts';
import { holdsPackage } from '../package-holders.ts';
import { PackageKeeper } from './package-keeper.ts';
import { packageKey } from './package-key.ts';

const { vmId } = sampleMetadata;
const otherVm = '00000000-0000-4000-8000-00000000000b';

async function publish(store: WriterStore, day: number, ofVm = vmId): Promise<string> {
  const contents = { ...tinyContents, memory: memoryOf([1, 2], day) };
  return await writePackage(packagesEnv, store, contents, {
    session: sampleSession(day),
    metadata: { vmId: ofVm, createdAtUnixMs: day * DAY_MS },
  });
}

function keeperOf(store: WriterStore): PackageKeeper {
  const ownership = new ObjectOwnership(store.objects);
  return new PackageKeeper(packagesEnv, { ...store, ownership, hostName: 'here' });
}

async function record(store: WriterStore, state: OwnershipState): Promise<void> {
  await new ObjectOwnership(store.objects).compareAndSwap(0, sampleRecord(1, state));
}

test('what the rule keeps stays, what a VM may need stays, damaged packages stay, the rest goes', async () => {
  const store = memoryStore();
  const [first, second, third] = [await publish(store, 1), await publish(store, 2), await publish(store, 3)];
  const other = await publish(store, 4, otherVm);
  const damaged = await publish(store, 5);
  await store.objects.put(packageKey(damaged), new Uint8Array(3));
  await record(store, { state: 'at-rest', packageId: first, reclaimedFrom: null });
  const keeper = keeperOf(store);
  const report = await keeper.prune({ last: 1 }, { isDryRun: true });
  assert.deepEqual(
    new Map(report.packages.map(({ id, keptBy }) => [id, keptBy.join()])),
    new Map([
      [first, 'at-rest'],
      [second, ''],
      [third, 'last'],
      [other, 'last'],
    ]),
  );
  assert.deepEqual(report.damaged, [damaged]);
  assert.ok((await store.objects.head(packageKey(second))) !== null, 'a dry run removes nothing');
  assert.deepEqual(await keeper.prune({ last: 1 }), report);
  for (const [id, isThere] of [
    [first, true],
    [second, false],
    [third, true],
    [other, true],
    [damaged, true],
  ] as const)
    assert.equal((await store.objects.head(packageKey(id))) !== null, isThere);
  assert.ok((await keeper.prune({ last: 1 })).packages.every(({ keptBy }) => keptBy.length > 0));
});

test('no package of a VM on its way is pruned, nor the one that a reclaim goes back to', async () => {
  const states: readonly (readonly [OwnershipState, number])[] = [
    [{ state: 'departing', owner: 'a', packageId: 'ee'.repeat(32), lease: null }, 0],
    [{ state: 'running', owner: 'a', packageId: null, lease: null }, 2],
    [{ state: 'moved', storeUrl: 's3://b' }, 2],
  ];
  for (const [state, gone] of states) {
    const store = memoryStore();
    for (const day of [1, 2, 3]) await publish(store, day);
    await record(store, state);
    const { packages } = await keeperOf(store).prune({ last: 1 });
    assert.equal(packages.filter(({ keptBy }) => keptBy.length === 0).length, gone, state.state);
  }
  const running = { ...sampleRecord(1), state: 'running', owner: 'a', packageId: 'aa', lease: null } as const;
  assert.ok(holdsPackage(running, 'aa', vmId));
  assert.ok(!holdsPackage(running, 'bb', vmId));
});

test('a rule that keeps nothing is refused', async () => {
  const store = memoryStore();
  const id = await publish(store, 1);
  for (const rule of [{}, { last: 0 }, { daily: 0 }]) await refusedAs(keeperOf(store).prune(rule), 'usage');
  assert.ok((await store.objects.head(packageKey(id))) !== null);
});

test('all packages are verified, newest first, or those that are named', async () => {
  const store = memoryStore();
  const ids = [await publish(store, 1), await publish(store, 2)];
  const keeper = keeperOf(store);
  const all = await Array.fromAsync(keeper.verify(null));
  assert.deepEqual(new Set(all.map(({ id }) => id)), new Set(ids));
  const [one = ''] = ids;
  assert.deepEqual(
    (await Array.fromAsync(keeper.verify([one], { isQuick: true }))).map(({ id }) => id),
    [one],
  );
});

test('a package that is removed while all are verified is left out; one that was named is told', async () => {
  const store = memoryStore();
  const ids = [await publish(store, 1), await publish(store, 2)];
  const seen: string[] = [];
  for await (const { id } of keeperOf(store).verify(null)) {
    seen.push(id);
    for (const other of ids) if (other !== id) await store.objects.delete(packageKey(other));
  }
  assert.equal(seen.length, 1);
  const gone = ids.filter((id) => !seen.includes(id));
  await refusedAs(Array.fromAsync(keeperOf(store).verify(gone)), 'package_not_found');
});

test('a package goes from store to store, and a sweep then has nothing to do', async () => {
  const [source, target] = [memoryStore(), memoryStore()];
  const id = await publish(source, 1);
  await keeperOf(target).copyFrom(keeperOf(source), id);
  const { removedPacks, packages } = await keeperOf(target).collect({ graceMs: 0 });
  assert.deepEqual([removedPacks, packages], [0, 1]);
  assert.deepEqual((await Array.fromAsync(keeperOf(target).verify(null)))[0]?.problems, []);
});
