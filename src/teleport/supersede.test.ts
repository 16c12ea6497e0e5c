/** The end of a copy that another host has taken, in each state that it can be found in. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import test from 'node:test';
import { SettleWorld, hostId, packageId, storeUrl } from '../../test/support/settle-world.ts';
import { KelpieError } from '../base/errors.ts';
import { settle } from './recovery.ts';
import { supersede } from './supersede.ts';
import type { OwnershipState } from '../store/ownership-records.ts';

const EPOCH = 5;
const LEASE_MS = 30_000;
const taken = { state: 'running', owner: 'host-b', packageId, lease: null } as const;
const departed = { storeUrl, packageId, epoch: EPOCH, reclaimedBy: 'beta' };

async function ended(world: SettleWorld, state: OwnershipState = taken): Promise<void> {
  await supersede(world.host, world.vm, world.recordOf(state, EPOCH), storeUrl);
}

/** Nothing of it runs, nor ever will. */
async function checkEnded(world: SettleWorld): Promise<void> {
  assert.deepEqual(world.machines, []);
  for (const { record } of [world.vm, (await world.reload()).require('dev')]) {
    assert.deepEqual(record.departed, departed);
    assert.deepEqual([record.state, record.ownership, record.runtime], ['stopped', null, null]);
  }
  assert.equal(world.host.leases.view(world.vm.id), null);
  assert.deepEqual(await world.entries(), []);
  assert.deepEqual(world.held, []);
}

/** What it did is in a snapshot, which the record names. */
async function checkKept(world: SettleWorld): Promise<void> {
  const [listing, ...more] = await world.host.snapshots.list(world.vm.id);
  assert.ok(listing !== undefined && !listing.damaged && more.length === 0);
  assert.match(listing.snapshot.metadata.message, /kept when another host took the VM/);
  assert.deepEqual([world.vm.record.snapshotId, world.vm.record.disk], [listing.id, []]);
}

/** Its disk is all there is. */
async function checkUnkept(world: SettleWorld): Promise<void> {
  assert.deepEqual(await world.snapshots(), []);
  assert.equal(world.vm.record.snapshotId, null);
  assert.ok(world.vm.record.disk.length > 0);
}

/** Its processes were stopped when the lease ran out. */
async function freeze({ host, vm }: SettleWorld, leasePause: 'none' | 'paused'): Promise<void> {
  await vm.update({ ownership: { storeUrl, epoch: 3, leaseMs: LEASE_MS, leasePause } });
  await writeFile(`${host.places.leaseFuse(vm.id)}.blown`, '');
}

test('one that runs pauses before anything else, is kept, and ends', async () => {
  await SettleWorld.with(async (world) => {
    const seen: string[] = [];
    world.onAct = async (act) => {
      seen.push(`${act} ${(await world.entries()).length}`);
      if (act === 'stop') assert.deepEqual((await world.reload()).require('dev').record.departed, departed);
    };
    await ended(world);
    assert.deepEqual(seen, ['pause 0', 'snapshot 1', 'stop 1']);
    await checkEnded(world);
    await checkKept(world);
  });
});

test('its lease is not renewed any more', async () => {
  await SettleWorld.with(async (world) => {
    const lease = { durationMs: LEASE_MS };
    const right = { storeUrl, epoch: 3, leaseMs: LEASE_MS, leasePause: 'none' } as const;
    await world.here?.compareAndSwap(0, {
      ...world.recordOf({ ...taken, owner: hostId, lease }, 3),
      revision: 1,
    });
    await world.vm.update({ ownership: right });
    await world.host.leases.secure(world.vm);
    assert.ok(world.host.leases.view(world.vm.id) !== null);
    world.onAct = async () => assert.equal(world.host.leases.view(world.vm.id), null);
    await ended(world);
    await checkEnded(world);
    await checkKept(world);
  });
});

test('one that is gone already is left alone', async () => {
  await SettleWorld.with(async (world) => {
    const before = { ...departed, epoch: 2 };
    await world.vm.update({ departed: before });
    await ended(world);
    assert.deepEqual(world.vm.record.departed, before);
    assert.equal(world.machines[0]?.state, 'running');
  });
});

test('one that does not run keeps its disk', async () => {
  await SettleWorld.with(async (world) => {
    await world.vm.kill();
    await world.vm.markDead('stopped', null);
    await ended(world);
    await checkEnded(world);
    await checkUnkept(world);
  });
});

test('a record without a package says so in the tombstone', async () => {
  for (const state of [{ ...taken, packageId: null }, { state: 'removed' }] as const) {
    await SettleWorld.with(async (world) => {
      await ended(world, state);
      assert.equal(world.vm.record.departed?.packageId, '');
    });
  }
});

test('one whose state cannot be kept stays paused and is tried again, from the beginning', async () => {
  await SettleWorld.with(async (world) => {
    world.onAct = async (act) => {
      if (act === 'snapshot') throw new KelpieError('disk_full', 'there is no space.');
    };
    await ended(world);
    assert.equal(world.machines[0]?.state, 'paused');
    assert.equal(world.vm.record.departed, null);
    const [operation] = world.held;
    assert.ok(operation !== undefined);
    assert.deepEqual(await world.entries(), [operation]);
    await assert.rejects(
      settle(world.host, world.registry, operation),
      /what it did here could not be kept yet/,
    );
    world.onAct = async () => undefined;
    await settle(world.host, world.registry, operation);
    world.held.length = 0;
    await checkEnded(world);
    await checkKept(world);
  });
});

test('one that dies while it is kept keeps its disk', async () => {
  await SettleWorld.with(async (world) => {
    world.onAct = async (act) => {
      if (act !== 'snapshot') return;
      world.kill();
      throw new KelpieError('vm_crashed', 'it ended.');
    };
    await ended(world);
    await checkEnded(world);
    assert.equal(world.vm.record.snapshotId, null);
    assert.ok(world.vm.record.disk.length > 0);
  });
});

test('a frozen one that was surely paused is asked for its state; any other is ended where it stands', async () => {
  for (const leasePause of ['paused', 'none'] as const) {
    await SettleWorld.with(async (world) => {
      if (leasePause === 'paused') await world.vm.requireLive('pause').pause();
      await freeze(world, leasePause);
      const acts: string[] = [];
      world.onAct = async (act) => void acts.push(act);
      await ended(world);
      await checkEnded(world);
      assert.equal(await world.host.leases.isFrozen(world.vm.id), leasePause === 'none');
      assert.deepEqual(acts, leasePause === 'paused' ? ['snapshot', 'stop'] : ['stop']);
      if (leasePause === 'paused') await checkKept(world);
      else await checkUnkept(world);
    });
  }
});

test('one that this daemon has not found yet is found first', async () => {
  for (const isThere of [true, false]) {
    await SettleWorld.with(async (world) => {
      await world.vm.release();
      if (!isThere) world.kill();
      await ended(world);
      await checkEnded(world);
      if (isThere) await checkKept(world);
      else await checkUnkept(world);
    });
  }
});

test('one that cannot be found now is not given up', async () => {
  await SettleWorld.with(async (world) => {
    const { vm } = world;
    const { runtime } = vm.record;
    assert.ok(runtime !== null);
    await vm.release();
    // A backend that this host does not have.
    await vm.update({ runtime: { ...runtime, machine: { ...runtime.machine, backend: 'vz' } } });
    await assert.rejects(ended(world), { code: 'backend_unavailable' });
    assert.equal(vm.record.departed, null);
    assert.equal(world.machines.length, 1);
  });
});

test('one that was removed meanwhile needs no end', async () => {
  await SettleWorld.with(async (world) => {
    const operation = {
      ...world.entry,
      kind: 'supersede',
      snapshotId: world.host.env.random.uuid(),
      departed,
    } as const;
    await world.host.journal.begin(operation);
    await world.vm.kill();
    await world.registry.remove(world.vm.id);
    await settle(world.host, world.registry, operation);
    assert.deepEqual(await world.entries(), []);
    assert.deepEqual(world.registry.all, []);
  });
});
