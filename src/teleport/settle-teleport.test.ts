/** A teleport that was cut at any of its steps, with whatever the store's record says by then. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { RecordShelf } from '../../test/support/record-shelf.ts';
import {
  SettleWorld,
  hostId,
  olderPackageId,
  otherStoreUrl,
  packageId,
  storeUrl,
} from '../../test/support/settle-world.ts';
import { refusedAs } from '../../test/support/store-fixture.ts';
import { KelpieError } from '../base/errors.ts';
import { settleTeleport } from './settle-teleport.ts';
import type { OwnershipState } from '../store/ownership-records.ts';
import type { TeleportOperation } from './operations.ts';

const COMMIT_EPOCH = 4;
const LEASE_MS = 30_000;
const lease = { durationMs: LEASE_MS };
const leaving: OwnershipState = { state: 'departing', owner: hostId, packageId: olderPackageId, lease };
const rests: OwnershipState = { state: 'at-rest', packageId, reclaimedFrom: null };
const elsewhere = { state: 'running', owner: 'host-b', packageId, lease: null } as const;
const reclaimed: OwnershipState = { state: 'at-rest', packageId: olderPackageId, reclaimedFrom: 'a' };

/** The VM is paused with its snapshot taken, and the journal has the entry. */
async function cut(world: SettleWorld, changes: Partial<TeleportOperation> = {}): Promise<TeleportOperation> {
  const operation: TeleportOperation = {
    ...world.entry,
    kind: 'teleport',
    step: 'committing',
    storeUrl,
    snapshotId: await world.pauseWithSnapshot(),
    wasRunning: true,
    commitEpoch: COMMIT_EPOCH,
    packageId,
    ...changes,
  };
  await world.host.journal.begin(operation);
  return operation;
}

/** It runs here as before, and nothing of the teleport is left. */
async function checkStayed(world: SettleWorld, operation: TeleportOperation): Promise<void> {
  assert.equal(await settleTeleport(world.host, world.vm, operation), 'stayed');
  assert.equal(world.machines[0]?.state, 'running');
  assert.equal(world.vm.record.state, 'running');
  assert.equal(world.vm.record.departed, null);
  assert.deepEqual(await world.snapshots(), []);
  assert.deepEqual(await world.entries(), []);
}

async function checkDeparted(world: SettleWorld, operation: TeleportOperation): Promise<void> {
  assert.equal(await settleTeleport(world.host, world.vm, operation), 'departed');
  assert.deepEqual(world.machines, []);
  for (const { record } of [world.vm, (await world.reload()).require('dev')]) {
    const { departed, ownership, snapshotId, state, disk, runtime } = record;
    assert.deepEqual(departed, { storeUrl, packageId, epoch: COMMIT_EPOCH, reclaimedBy: null });
    assert.deepEqual([ownership, snapshotId], [null, operation.snapshotId]);
    assert.deepEqual([state, disk, runtime], ['stopped', [], null]);
  }
  assert.equal(world.host.leases.view(world.vm.id), null);
  assert.deepEqual(await world.entries(), []);
}

test('one that told nobody ends where it began, and no store is asked', async () => {
  await SettleWorld.with(async (world) => {
    world.here = null;
    await checkStayed(world, await cut(world, { step: 'preparing', packageId: null }));
    assert.equal(world.vm.record.ownership, null);
    assert.deepEqual(world.errors, []);
  });
});

test('a VM that stood still before stands still after', async () => {
  await SettleWorld.with(async (world) => {
    const operation = await cut(world, { step: 'preparing', wasRunning: false });
    assert.equal(await settleTeleport(world.host, world.vm, operation), 'stayed');
    assert.equal(world.machines[0]?.state, 'paused');
    assert.deepEqual(await world.snapshots(), []);
  });
});

test('a record that says that it is leaving is put back, with its package and its lease', async () => {
  await SettleWorld.with(async (world) => {
    const shelf = world.put(leaving, COMMIT_EPOCH - 1);
    await checkStayed(world, await cut(world, { step: 'departing' }));
    const record = await shelf.read(world.vm.id);
    assert.ok(record?.state === 'running');
    assert.deepEqual([record.owner, record.epoch, record.revision], [hostId, COMMIT_EPOCH - 1, 8]);
    assert.deepEqual([record.packageId, record.lease], [olderPackageId, lease]);
    const right = { storeUrl, epoch: COMMIT_EPOCH - 1, leaseMs: null, leasePause: 'none' };
    assert.deepEqual((await world.reload()).require('dev').record.ownership, right);
  });
});

test('a store that was never told of the VM is told that it runs here', async () => {
  await SettleWorld.with(async (world) => {
    const shelf = new RecordShelf();
    world.here = shelf;
    await checkStayed(world, await cut(world, { step: 'departing', commitEpoch: 1 }));
    const record = await shelf.read(world.vm.id);
    assert.deepEqual([record?.state, record?.epoch, record?.revision], ['running', 0, 1]);
  });
});

test('a record that says something else is left alone', async () => {
  await SettleWorld.with(async (world) => {
    for (const state of [{ ...leaving, owner: 'host-b' }, { ...elsewhere, owner: hostId }, rests] as const) {
      const shelf = world.put(state, COMMIT_EPOCH - 1);
      await checkStayed(world, await cut(world, { step: 'departing' }));
      assert.equal(shelf.asked, 0);
    }
  });
});

test('the VM goes on though the store cannot be told, and keeps the right that it had', async () => {
  await SettleWorld.with(async (world) => {
    const right = { storeUrl: otherStoreUrl, epoch: 2, leaseMs: null, leasePause: 'none' } as const;
    await world.vm.update({ ownership: right });
    world.here = null;
    await checkStayed(world, await cut(world, { step: 'departing' }));
    assert.deepEqual(world.vm.record.ownership, right);
    assert.deepEqual(world.errors, ['ownership-not-told']);
  });
});

test('a commit that did not come is fenced off before the VM goes on', async () => {
  await SettleWorld.with(async (world) => {
    const shelf = world.put(leaving, COMMIT_EPOCH - 1);
    let isFenced = false;
    world.onAct = async (act) => {
      if (act === 'resume') isFenced = shelf.writes > 0;
    };
    await checkStayed(world, await cut(world));
    assert.ok(isFenced);
    const record = await shelf.read(world.vm.id);
    assert.deepEqual([record?.state, record?.epoch, record?.revision], ['running', COMMIT_EPOCH - 1, 8]);
  });
});

test('a commit that comes while it is fenced off is found', async () => {
  await SettleWorld.with(async (world) => {
    const shelf = world.put(leaving, COMMIT_EPOCH - 1);
    shelf.onSwap = async () => {
      shelf.onSwap = async () => undefined;
      await shelf.compareAndSwap(7, { ...world.recordOf(rests, COMMIT_EPOCH), revision: 8 });
    };
    await checkDeparted(world, await cut(world));
  });
});

test('a record that changes each time leaves it open, after five tries', async () => {
  await SettleWorld.with(async (world) => {
    const shelf = world.put(leaving, COMMIT_EPOCH - 1);
    let changes = 0;
    shelf.onSwap = async () => {
      changes += 1;
      const revision = 7 + changes;
      const { onSwap } = shelf;
      shelf.onSwap = async () => undefined;
      await shelf.compareAndSwap(revision - 1, { ...world.recordOf(leaving, COMMIT_EPOCH - 1), revision });
      shelf.onSwap = onSwap;
    };
    const operation = await cut(world);
    await refusedAs(settleTeleport(world.host, world.vm, operation), 'store_conflict');
    assert.equal(changes, 5);
    await checkHeld(world);
  });
});

/** Paused, with everything as it was: whoever may run the VM is not known yet. */
async function checkHeld(world: SettleWorld): Promise<void> {
  assert.equal(world.machines[0]?.state, 'paused');
  assert.equal((await world.entries()).length, 1);
  assert.equal((await world.snapshots()).length, 1);
}

test('a store without an answer, or without the record that was there, leaves it open', async () => {
  await SettleWorld.with(async (world) => {
    const operation = await cut(world);
    await assert.rejects(settleTeleport(world.host, world.vm, operation), /has no record of "dev" any more/);
    world.here = null;
    await refusedAs(settleTeleport(world.host, world.vm, operation), 'store_unavailable');
    world.put(elsewhere, COMMIT_EPOCH - 1);
    await refusedAs(settleTeleport(world.host, world.vm, operation), 'vm_owned_elsewhere');
    await checkHeld(world);
  });
});

const gone: readonly (readonly [OwnershipState, number])[] = [
  [rests, COMMIT_EPOCH],
  [elsewhere, COMMIT_EPOCH + 1],
  [{ ...elsewhere, packageId: null }, COMMIT_EPOCH + 1],
  [{ ...elsewhere, packageId: olderPackageId }, COMMIT_EPOCH + 2],
  [{ ...elsewhere, state: 'departing', packageId: olderPackageId }, COMMIT_EPOCH + 1],
  [{ state: 'removed' }, COMMIT_EPOCH + 1],
  [{ state: 'moved', storeUrl: otherStoreUrl }, COMMIT_EPOCH],
];
for (const [state, epoch] of gone) {
  const package_ = 'packageId' in state ? `, package ${state.packageId?.slice(0, 2) ?? 'none'}` : '';
  test(`the commit is there when the record says ${state.state} at epoch ${epoch}${package_}: the copy here ends`, async () => {
    await SettleWorld.with(async (world) => {
      await world.vm.update({ ownership: { storeUrl, epoch: 2, leaseMs: null, leasePause: 'none' } });
      const shelf = world.put(state, epoch);
      await checkDeparted(world, await cut(world));
      assert.equal(shelf.asked, 0);
    });
  });
}

test('after the commit no store is asked, and what was set aside goes too', async () => {
  await SettleWorld.with(async (world) => {
    world.here = null;
    const aside = await world.pauseWithSnapshot();
    await world.host.snapshots.setAside(world.vm.id, aside);
    await checkDeparted(world, await cut(world, { step: 'committed' }));
    assert.equal(await world.host.snapshots.aside(world.vm.id), null);
    assert.deepEqual(world.errors, []);
  });
});

test('the tombstone is durable before the machine ends', async () => {
  await SettleWorld.with(async (world) => {
    let found: unknown = null;
    world.onAct = async (act) => {
      if (act === 'stop') found = (await world.reload()).require('dev').record.departed;
    };
    await checkDeparted(world, await cut(world, { step: 'committed' }));
    assert.deepEqual(found, world.vm.record.departed);
  });
});

test('the store that the VM came from is told where it went, when it still says that it is here', async () => {
  const states: readonly (readonly [OwnershipState, boolean])[] = [
    [{ ...elsewhere, owner: hostId }, true],
    [elsewhere, false],
  ];
  for (const [state, isTold] of states) {
    await SettleWorld.with(async (world) => {
      const other = new RecordShelf([world.recordOf(state, 2)]);
      world.other = other;
      const right = { storeUrl: otherStoreUrl, epoch: 2, leaseMs: null, leasePause: 'none' } as const;
      await world.vm.update({ ownership: right });
      await checkDeparted(world, await cut(world, { step: 'committed' }));
      const record = await other.read(world.vm.id);
      assert.equal(other.writes, isTold ? 1 : 0);
      if (!isTold) return;
      assert.ok(record?.state === 'moved');
      assert.deepEqual([record.storeUrl, record.epoch], [storeUrl, COMMIT_EPOCH]);
    });
  }
});

test('the copy ends though the store that it came from does not answer, or forgot it', async () => {
  for (const other of [null, new RecordShelf()]) {
    await SettleWorld.with(async (world) => {
      world.other = other;
      const right = { storeUrl: otherStoreUrl, epoch: 2, leaseMs: null, leasePause: 'none' } as const;
      await world.vm.update({ ownership: right });
      await checkDeparted(world, await cut(world, { step: 'committed' }));
      assert.equal(other?.writes ?? 0, 0);
      assert.deepEqual(world.errors, other === null ? ['ownership-not-told'] : []);
    });
  }
});

for (const [state, epoch] of [
  [reclaimed, COMMIT_EPOCH],
  [{ ...elsewhere, packageId: olderPackageId }, COMMIT_EPOCH + 1],
] as const) {
  test(`a VM that was reclaimed meanwhile (${state.state}) ends here, and its snapshot stays`, async () => {
    await SettleWorld.with(async (world) => {
      world.put(state, epoch);
      const operation = await cut(world);
      assert.equal(await settleTeleport(world.host, world.vm, operation), 'stayed');
      const expected = { storeUrl, packageId: olderPackageId, epoch, reclaimedBy: 'beta' };
      assert.deepEqual(world.vm.record.departed, expected);
      assert.deepEqual(world.machines, []);
      assert.ok((await world.snapshots()).includes(operation.snapshotId));
      assert.deepEqual(await world.entries(), []);
      assert.equal(world.host.leases.view(world.vm.id), null);
    });
  });
}

test('a VM with a lease goes on when it is renewed, and it is renewed from then on', async () => {
  await SettleWorld.with(async (world) => {
    const { vm } = world;
    const epoch = COMMIT_EPOCH - 1;
    await vm.update({ ownership: { storeUrl, epoch, leaseMs: LEASE_MS, leasePause: 'none' } });
    const shelf = world.put({ ...elsewhere, owner: hostId, lease }, epoch);
    await checkStayed(world, await cut(world, { step: 'preparing' }));
    assert.ok(shelf.writes > 0);
    assert.ok((world.host.leases.view(vm.id)?.leftMs ?? 0) > 0);
  });
});

test('a VM that stands still, and goes on standing, has its lease renewed again', async () => {
  await SettleWorld.with(async (world) => {
    const { vm, host } = world;
    const epoch = COMMIT_EPOCH - 1;
    await vm.update({ ownership: { storeUrl, epoch, leaseMs: LEASE_MS, leasePause: 'none' } });
    world.put(leaving, epoch);
    const operation = await cut(world, { step: 'departing', wasRunning: false });
    assert.equal(await settleTeleport(host, vm, operation), 'stayed');
    assert.ok(host.leases.view(vm.id) !== null);
    assert.equal(world.machines[0]?.state, 'paused');
  });
});

test('a VM whose lease is gone stays paused for whoever ends it; one whose store does not answer stays open', async () => {
  for (const isAnswered of [true, false]) {
    await SettleWorld.with(async (world) => {
      const { vm } = world;
      const epoch = COMMIT_EPOCH - 1;
      await vm.update({ ownership: { storeUrl, epoch, leaseMs: LEASE_MS, leasePause: 'none' } });
      const operation = await cut(world, { step: 'preparing' });
      if (isAnswered) world.put(rests, COMMIT_EPOCH);
      else world.here = null;
      const settled = settleTeleport(world.host, vm, operation);
      if (isAnswered) assert.equal(await settled, 'stayed');
      else await refusedAs(settled, 'store_unavailable');
      assert.equal(world.machines[0]?.state, 'paused');
      assert.equal((await world.entries()).length, isAnswered ? 0 : 1);
      assert.deepEqual(world.lost, isAnswered ? [vm.id] : []);
    });
  }
});

test('a VM that does not go on is tried again; one that died has its snapshot, and that is all', async () => {
  await SettleWorld.with(async (world) => {
    const operation = await cut(world, { step: 'preparing' });
    const { snapshotId } = operation;
    world.onAct = () => Promise.reject(new KelpieError('vm_crashed', 'it does not answer.'));
    await refusedAs(settleTeleport(world.host, world.vm, operation), 'vm_crashed');
    await checkHeld(world);
    world.onAct = async () => {
      world.kill();
      throw new KelpieError('vm_crashed', 'it ended.');
    };
    assert.equal(await settleTeleport(world.host, world.vm, operation), 'stayed');
    assert.deepEqual([world.vm.record.state, world.vm.record.snapshotId], ['crashed', snapshotId]);
    assert.deepEqual(await world.snapshots(), [snapshotId]);
    assert.deepEqual(await world.entries(), []);
  });
});
