/** A restore from a store that was cut at any of its steps, with whatever the store's record says by then. */
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import test from 'node:test';
import { SettleWorld, hostId, olderPackageId, packageId, storeUrl } from '../../test/support/settle-world.ts';
import { refusedAs } from '../../test/support/store-fixture.ts';
import { settleClaim } from './settle-claim.ts';
import { standingOf } from './vm-record.ts';
import type { OwnershipState } from '../store/ownership-records.ts';
import type { ClaimOperation } from './operations.ts';

const CLAIM_EPOCH = 5;
const rests: OwnershipState = { state: 'at-rest', packageId, reclaimedFrom: null };
const runs = { state: 'running', owner: hostId, packageId, lease: null } as const;
const departed = { storeUrl, packageId: olderPackageId, epoch: 2, reclaimedBy: null };
const right = { storeUrl, epoch: CLAIM_EPOCH, leaseMs: null, leasePause: 'none' } as const;

/** The VM had left; what was claimed of it runs, and its tombstone is still there. */
async function cut(world: SettleWorld, changes: Partial<ClaimOperation> = {}): Promise<ClaimOperation> {
  const snapshotId = await world.pauseWithSnapshot();
  const before = { ...standingOf(world.vm.record), state: 'stopped', disk: [], departed } as const;
  await world.vm.update({ departed, ownership: right });
  const operation: ClaimOperation = {
    ...world.entry,
    kind: 'claim',
    step: 'claiming',
    storeUrl,
    packageId,
    snapshotId,
    claimEpoch: CLAIM_EPOCH,
    before,
    ...changes,
  };
  await world.host.journal.begin(operation);
  return operation;
}

/** As before the restore, and nothing of it runs. */
async function checkForgotten(world: SettleWorld, operation: ClaimOperation): Promise<void> {
  await settleClaim(world.host, world.registry, operation);
  assert.deepEqual(world.machines, []);
  assert.deepEqual(await world.snapshots(), []);
  assert.deepEqual(standingOf(world.vm.record), operation.before);
  assert.deepEqual(standingOf((await world.reload()).require('dev').record), operation.before);
  assert.equal(world.vm.record.runtime, null);
  assert.deepEqual(await world.entries(), []);
}

test('one that was done stands, and is surely written down', async () => {
  await SettleWorld.with(async (world) => {
    world.here = null;
    const operation = await cut(world, { step: 'claimed' });
    await world.vm.update({ departed: null });
    await rm(world.host.places.vmRecord(world.vm.id));
    await settleClaim(world.host, world.registry, operation);
    assert.equal(world.machines.length, 1);
    assert.deepEqual((await world.reload()).require('dev').record.ownership, right);
    assert.deepEqual(await world.snapshots(), [operation.snapshotId]);
    assert.deepEqual(await world.entries(), []);
  });
});

test('one that only fetched is forgotten, and no store is asked', async () => {
  await SettleWorld.with(async (world) => {
    world.here = null;
    await checkForgotten(world, await cut(world, { step: 'fetching' }));
  });
});

for (const step of ['claiming', 'claimed'] as const) {
  test(`${step}: what runs in our name rests again, an epoch later`, async () => {
    await SettleWorld.with(async (world) => {
      const shelf = world.put(runs, CLAIM_EPOCH);
      await checkForgotten(world, await cut(world, { step }));
      const record = await shelf.read(world.vm.id);
      assert.ok(record?.state === 'at-rest');
      assert.deepEqual([record.packageId, record.epoch, record.revision], [packageId, CLAIM_EPOCH + 1, 8]);
    });
  });
}

test('a claim that is still on its way comes too late', async () => {
  await SettleWorld.with(async (world) => {
    const shelf = world.put(rests, CLAIM_EPOCH - 1);
    await checkForgotten(world, await cut(world));
    const record = await shelf.read(world.vm.id);
    assert.deepEqual([record?.state, record?.epoch, record?.revision], ['at-rest', CLAIM_EPOCH - 1, 8]);
  });
});

test('a claim that comes while it is fenced off is put to rest', async () => {
  await SettleWorld.with(async (world) => {
    const shelf = world.put(rests, CLAIM_EPOCH - 1);
    shelf.onSwap = async () => {
      shelf.onSwap = async () => undefined;
      await shelf.compareAndSwap(7, { ...world.recordOf(runs, CLAIM_EPOCH), revision: 8 });
    };
    await checkForgotten(world, await cut(world));
    const record = await shelf.read(world.vm.id);
    assert.deepEqual([record?.state, record?.epoch], ['at-rest', CLAIM_EPOCH + 1]);
  });
});

const others: readonly (readonly [OwnershipState, number])[] = [
  [{ ...runs, owner: 'host-b' }, CLAIM_EPOCH],
  [runs, CLAIM_EPOCH + 2],
  [{ ...runs, state: 'departing' }, CLAIM_EPOCH],
  [rests, CLAIM_EPOCH + 1],
  [rests, CLAIM_EPOCH],
  [{ ...rests, packageId: olderPackageId }, CLAIM_EPOCH - 1],
  [{ state: 'removed' }, CLAIM_EPOCH - 1],
];
test('a record that is not about this claim is left alone', async () => {
  for (const [state, epoch] of others) {
    await SettleWorld.with(async (world) => {
      const shelf = world.put(state, epoch);
      await checkForgotten(world, await cut(world));
      assert.equal(shelf.asked, 0, `${state.state} at ${epoch}`);
    });
  }
});

test('a store without an answer, or without the record that was there, leaves it open, and nothing runs', async () => {
  await SettleWorld.with(async (world) => {
    const operation = await cut(world);
    const { host, registry } = world;
    await assert.rejects(settleClaim(host, registry, operation), /has no record of "dev" any more/);
    world.here = null;
    await refusedAs(settleClaim(host, registry, operation), 'store_unavailable');
    assert.deepEqual(world.machines, []);
    assert.equal(world.vm.record.state, 'stopped');
    assert.deepEqual(world.vm.record.departed, departed);
    assert.equal((await world.entries()).length, 1);
  });
});

test('a record that changes each time leaves it open, after five tries', async () => {
  await SettleWorld.with(async (world) => {
    const shelf = world.put(rests, CLAIM_EPOCH - 1);
    let revision = 7;
    const change = async (): Promise<void> => {
      shelf.onSwap = async () => undefined;
      revision += 1;
      await shelf.compareAndSwap(revision - 1, { ...world.recordOf(rests, CLAIM_EPOCH - 1), revision });
      shelf.onSwap = change;
    };
    shelf.onSwap = change;
    const operation = await cut(world);
    await refusedAs(settleClaim(world.host, world.registry, operation), 'store_conflict');
    assert.equal(revision, 7 + 5);
    assert.equal((await world.entries()).length, 1);
  });
});

test('a VM that this host did not know is not known after, with all its files', async () => {
  await SettleWorld.with(async (world) => {
    const { host, registry } = world;
    world.put(runs, CLAIM_EPOCH);
    const operation = await cut(world, { before: null });
    await settleClaim(host, registry, operation);
    assert.deepEqual([world.machines, registry.all], [[], []]);
    assert.deepEqual(await host.env.files.list(host.places.vmsDirectory), []);
    assert.deepEqual(await host.env.files.list(host.places.runsDirectory), []);
    // Once more, as after a crash right there.
    await host.journal.begin(operation);
    await settleClaim(host, registry, operation);
    assert.deepEqual(await world.entries(), []);
  });
});

test('a VM that was removed meanwhile stays removed', async () => {
  await SettleWorld.with(async (world) => {
    const { host, registry } = world;
    const operation = await cut(world, { step: 'fetching' });
    await world.vm.kill();
    await registry.remove(world.vm.id);
    await settleClaim(host, registry, operation);
    assert.deepEqual(registry.all, []);
    assert.deepEqual(await world.entries(), []);
  });
});

test('nothing of a lease is left', async () => {
  await SettleWorld.with(async (world) => {
    const { host, vm } = world;
    const lease = { durationMs: 30_000 };
    const shelf = world.put({ ...runs, lease }, CLAIM_EPOCH);
    const operation = await cut(world);
    await host.leases.secure(vm, { ...right, leaseMs: lease.durationMs });
    assert.ok(host.leases.view(vm.id) !== null && shelf.writes > 0);
    await checkForgotten(world, operation);
    assert.equal(host.leases.view(vm.id), null);
  });
});
