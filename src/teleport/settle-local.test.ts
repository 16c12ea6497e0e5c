/** Operations on this host alone that were cut, by what was found of them. */
import assert from 'node:assert/strict';
import { mkdir, readdir } from 'node:fs/promises';
import test from 'node:test';
import { RecordShelf } from '../../test/support/record-shelf.ts';
import { SettleWorld, hostId, olderPackageId, storeUrl } from '../../test/support/settle-world.ts';
import { refusedAs } from '../../test/support/store-fixture.ts';
import { KelpieError } from '../base/errors.ts';
import { journaled } from './journaled.ts';
import { settleLocal } from './settle-local.ts';
import { standingOf } from './vm-record.ts';
import type { OwnershipState } from '../store/ownership-records.ts';
import type { LocalOperation } from './settle-local.ts';

const EPOCH = 3;
const LEASE_MS = 30_000;
const lease = { durationMs: LEASE_MS };
const runs = { state: 'running', owner: hostId, packageId: olderPackageId, lease: null } as const;
const kinds = ['snapshot', 'fork', 'suspend'] as const;

async function settled(world: SettleWorld, operation: LocalOperation): Promise<void> {
  await world.host.journal.begin(operation);
  await settleLocal(world.host, world.registry, operation);
  assert.deepEqual(await world.entries(), []);
}

/** The VM came from the store, whose record says that. */
async function cameFrom(
  world: SettleWorld,
  state: OwnershipState,
  leaseMs: number | null,
): Promise<RecordShelf> {
  const shelf = world.put(state, EPOCH);
  await world.vm.update({ ownership: { storeUrl, epoch: EPOCH, leaseMs, leasePause: 'none' } });
  return shelf;
}

for (const kind of ['start', 'restore'] as const) {
  test(`${kind}: what runs is ended, and the record is as before`, async () => {
    await SettleWorld.with(async (world) => {
      const snapshotId = await world.pauseWithSnapshot();
      const before = { ...standingOf(world.vm.record), state: 'stopped', reason: 'why' } as const;
      await settled(world, { ...world.entry, kind, snapshotId, before });
      assert.deepEqual(world.machines, []);
      const { record } = (await world.reload()).require('dev');
      assert.deepEqual(standingOf(record), before);
      assert.deepEqual([record.runtime, record.startedAtUnixMs], [null, null]);
      assert.deepEqual(await world.snapshots(), [snapshotId]);
    });
  });
}

test('stop: ended now', async () => {
  await SettleWorld.with(async (world) => {
    await settled(world, { ...world.entry, kind: 'stop' });
    assert.deepEqual(world.machines, []);
    const { record } = (await world.reload()).require('dev');
    assert.deepEqual([record.state, record.reason, record.runtime], ['stopped', null, null]);
  });
});

for (const kind of kinds) {
  test(`${kind}: one that never was leaves nothing, and a VM that ran goes on`, async () => {
    for (const wasRunning of [true, false]) {
      await SettleWorld.with(async (world) => {
        const snapshotId = await world.pauseWithSnapshot();
        await settled(world, { ...world.entry, kind, snapshotId, wasRunning });
        assert.equal(world.machines[0]?.state, wasRunning ? 'running' : 'paused');
        assert.deepEqual(await world.snapshots(), []);
      });
    }
  });

  test(`${kind}: of a VM that died meanwhile the snapshot is kept, and half a snapshot is not`, async () => {
    for (const isWhole of [true, false]) {
      await SettleWorld.with(async (world) => {
        const { host, vm } = world;
        const snapshotId = isWhole ? await world.pauseWithSnapshot() : host.env.random.uuid();
        if (!isWhole) await host.snapshots.prepare(vm.id, snapshotId);
        world.kill();
        await settled(world, { ...world.entry, kind, snapshotId, wasRunning: true });
        assert.deepEqual([vm.record.state, vm.record.snapshotId], ['crashed', isWhole ? snapshotId : null]);
        assert.deepEqual(await host.snapshots.ids(vm.id), isWhole ? [snapshotId] : []);
      });
    }
  });
}

test('a snapshot that the record names is there; a VM that ran goes on', async () => {
  await SettleWorld.with(async (world) => {
    const snapshotId = await world.pauseWithSnapshot();
    await world.vm.update({ snapshotId });
    await settled(world, { ...world.entry, kind: 'snapshot', snapshotId, wasRunning: true });
    assert.equal(world.machines[0]?.state, 'running');
    assert.deepEqual(await world.snapshots(), [snapshotId]);
  });
});

test('a suspended VM sleeps in what the record names', async () => {
  await SettleWorld.with(async (world) => {
    const snapshotId = await world.pauseWithSnapshot();
    await world.vm.update({ snapshotId });
    await settled(world, { ...world.entry, kind: 'suspend', snapshotId, wasRunning: true });
    assert.deepEqual(world.machines, []);
    const { record } = (await world.reload()).require('dev');
    assert.deepEqual([record.state, record.snapshotId], ['suspended', snapshotId]);
    assert.deepEqual(await world.snapshots(), [snapshotId]);
  });
});

test('a VM that runs, though the operation had paused it, is not told to', async () => {
  await SettleWorld.with(async (world) => {
    const snapshotId = world.host.env.random.uuid();
    world.onAct = async (act) => assert.fail(act);
    await settled(world, { ...world.entry, kind: 'snapshot', snapshotId, wasRunning: true });
    assert.equal(world.machines[0]?.state, 'running');
  });
});

test('a VM with a lease goes on only when the store renews it', async () => {
  for (const isAnswered of [true, false]) {
    await SettleWorld.with(async (world) => {
      const shelf = await cameFrom(world, { ...runs, lease }, LEASE_MS);
      const snapshotId = await world.pauseWithSnapshot();
      const operation = { ...world.entry, kind: 'snapshot', snapshotId, wasRunning: true } as const;
      if (isAnswered) {
        await settled(world, operation);
        assert.ok(shelf.writes > 0);
      } else {
        world.here = null;
        await refusedAs(settled(world, operation), 'store_unavailable');
        assert.equal((await world.entries()).length, 1);
      }
      assert.equal(world.machines[0]?.state, isAnswered ? 'running' : 'paused');
    });
  }
});

test('checkpoint: it never was, and the VM was not touched', async () => {
  await SettleWorld.with(async (world) => {
    const snapshotId = world.host.env.random.uuid();
    await world.host.snapshots.prepare(world.vm.id, snapshotId);
    await settled(world, { ...world.entry, kind: 'checkpoint', snapshotId });
    assert.deepEqual(await world.host.snapshots.ids(world.vm.id), []);
    assert.equal(world.machines[0]?.state, 'running');
  });
});

for (const kind of ['create', 'remove'] as const) {
  test(`${kind}: nothing is left here, and the store is told`, async () => {
    await SettleWorld.with(async (world) => {
      const { host, registry } = world;
      const shelf = await cameFrom(world, runs, null);
      await settled(world, { ...world.entry, kind });
      assert.deepEqual([world.machines, registry.all], [[], []]);
      assert.deepEqual(await readdir(host.places.vmsDirectory), []);
      const record = await shelf.read(world.vm.id);
      assert.deepEqual([record?.state, record?.epoch, record?.revision], ['removed', EPOCH + 1, 8]);
    });
  });

  test(`${kind}: what another host has is not touched, and a store without an answer keeps nobody`, async () => {
    await SettleWorld.with(async (world) => {
      const shelf = await cameFrom(world, { ...runs, owner: 'host-b' }, null);
      await settled(world, { ...world.entry, kind });
      assert.equal(shelf.asked, 0);
    });
    await SettleWorld.with(async (world) => {
      await cameFrom(world, runs, null);
      world.here = null;
      await settled(world, { ...world.entry, kind });
      assert.deepEqual([world.machines, world.registry.all], [[], []]);
      assert.deepEqual(world.errors, ['ownership-not-told']);
    });
  });

  test(`${kind}: a VM without a record is ended by its directory alone`, async () => {
    await SettleWorld.with(async (world) => {
      const { host, vm } = world;
      const { entry } = world;
      await vm.release();
      await world.registry.remove(vm.id);
      await mkdir(host.places.runDirectory(vm.id), { recursive: true });
      await settled(world, { ...entry, kind });
      assert.deepEqual(world.machines, []);
      assert.deepEqual(await readdir(host.places.runsDirectory), []);
    });
  });
}

test('a VM that never was leaves a word that the first one of it comes after, which a removed one does not need', async () => {
  for (const kind of ['create', 'remove'] as const) {
    await SettleWorld.with(async (world) => {
      await cameFrom(world, runs, null);
      const shelf = new RecordShelf();
      world.here = shelf;
      await settled(world, { ...world.entry, kind });
      const record = await shelf.read(world.vm.id);
      assert.deepEqual(
        [record?.state, record?.epoch],
        kind === 'create' ? ['removed', 1] : [undefined, undefined],
      );
    });
  }
});

test('a VM that never was in a store ends without asking one', async () => {
  await SettleWorld.with(async (world) => {
    world.here = null;
    await settled(world, { ...world.entry, kind: 'remove' });
    assert.deepEqual(world.errors, []);
  });
});

test('an operation that fails is settled at once, and its error told', async () => {
  await SettleWorld.with(async (world) => {
    const { host, registry } = world;
    const snapshotId = await world.pauseWithSnapshot();
    const operation = { ...world.entry, kind: 'snapshot', snapshotId, wasRunning: true } as const;
    const failed = journaled(host, registry, operation, async () => {
      assert.deepEqual(await world.entries(), [operation]);
      throw new KelpieError('disk_full', 'there is no space.');
    });
    await refusedAs(failed, 'disk_full');
    assert.deepEqual(await world.entries(), []);
    assert.equal(world.machines[0]?.state, 'running');
    assert.deepEqual(world.held, []);
  });
});

test('one that cannot be settled is held, and its own error told', async () => {
  await SettleWorld.with(async (world) => {
    const { host, registry } = world;
    const operation = { ...world.entry, kind: 'stop' } as const;
    world.onAct = () => Promise.reject(new KelpieError('vm_crashed', 'it does not answer.'));
    const failed = journaled(host, registry, operation, () =>
      Promise.reject(new KelpieError('disk_full', 'there is no space.')),
    );
    await refusedAs(failed, 'disk_full');
    assert.deepEqual(world.held, [operation]);
    assert.deepEqual(await world.entries(), [operation]);
  });
});

test('one that is done leaves its result and no entry', async () => {
  await SettleWorld.with(async (world) => {
    const operation = { ...world.entry, kind: 'stop' } as const;
    assert.equal(await journaled(world.host, world.registry, operation, async () => 7), 7);
    assert.deepEqual(await world.entries(), []);
    assert.equal(world.machines.length, 1);
  });
});
