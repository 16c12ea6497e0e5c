/** A teleport out, and what comes between its words to the store. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { quiet } from '../../test/support/fake-hosts.ts';
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
import { TeleportOut } from './source.ts';
import type { OwnershipState } from '../store/ownership-records.ts';
import type { OperationOptions, TeleportResult } from './source.ts';

const EPOCH = 3;
const lease = { durationMs: 30_000 };
const ours = { state: 'running', owner: hostId, packageId: olderPackageId, lease: null } as const;
const theirs: OwnershipState = { ...ours, owner: 'host-b' };
const right = { storeUrl, epoch: EPOCH, leaseMs: null, leasePause: 'none' } as const;

async function leaves(world: SettleWorld, options: OperationOptions = quiet): Promise<TeleportResult> {
  const request = { storeUrl, message: '', includeImage: false };
  return await new TeleportOut(world.host, world.vm, request, options).run();
}

/** Somebody else changes the record right before the change that comes then, first or second. */
function interfere(world: SettleWorld, shelf: RecordShelf, change: 1 | 2, state: OwnershipState): void {
  const revision = 7 + change;
  let count = 0;
  shelf.onSwap = async () => {
    count += 1;
    if (count !== change) return;
    shelf.onSwap = async () => undefined;
    await shelf.compareAndSwap(revision - 1, { ...world.recordOf(state, EPOCH + 1), revision });
  };
}

async function checkStayed(world: SettleWorld): Promise<void> {
  assert.equal(world.machines[0]?.state, 'running');
  assert.equal(world.vm.record.departed, null);
  assert.deepEqual([await world.entries(), world.held], [[], []]);
}

test('the first word is that it is leaving, the last that it rests, and each is in the journal before', async () => {
  await SettleWorld.with(async (world) => {
    const shelf = new RecordShelf();
    world.here = shelf;
    const seen: unknown[] = [];
    const look = async (): Promise<void> => {
      const record = await shelf.read(world.vm.id);
      const [entry] = await world.entries();
      assert.ok(entry?.kind === 'teleport');
      seen.push([entry.step, record?.state, record?.epoch, record?.revision]);
      assert.equal(world.machines[0]?.state, 'paused');
    };
    shelf.onSwap = look;
    shelf.onSwapped = look;
    const result = await leaves(world);
    assert.deepEqual(seen, [
      ['departing', undefined, undefined, undefined],
      ['departing', 'departing', 0, 1],
      ['committing', 'departing', 0, 1],
      ['committing', 'at-rest', 1, 2],
    ]);
    const record = await shelf.read(world.vm.id);
    assert.ok(record?.state === 'at-rest');
    assert.deepEqual([record.packageId, record.reclaimedFrom, result.epoch], [result.packageId, null, 1]);
    assert.equal(world.vm.record.departed?.packageId, result.packageId);
    assert.deepEqual([world.machines, await world.entries()], [[], []]);
  });
});

test('a VM that came from the store goes on from its epoch, with its lease, which nobody renews meanwhile', async () => {
  await SettleWorld.with(async (world) => {
    const shelf = world.put({ ...ours, lease }, EPOCH);
    await world.vm.update({ ownership: { ...right, leaseMs: lease.durationMs } });
    await world.host.leases.secure(world.vm);
    let departing: unknown = null;
    shelf.onSwapped = async () => {
      const record = await shelf.read(world.vm.id);
      if (record?.state !== 'departing') return;
      departing = [record.epoch, record.lease, world.host.leases.view(world.vm.id)];
    };
    assert.equal((await leaves(world)).epoch, EPOCH + 1);
    assert.deepEqual(departing, [EPOCH, lease, null]);
  });
});

test('the higher epoch counts, of the store or of the right that it has elsewhere', async () => {
  for (const [here, held] of [
    [EPOCH, 9],
    [9, EPOCH],
  ] as const) {
    await SettleWorld.with(async (world) => {
      world.other = new RecordShelf([world.recordOf(ours, held)]);
      world.put({ state: 'moved', storeUrl: otherStoreUrl }, here);
      await world.vm.update({ ownership: { ...right, storeUrl: otherStoreUrl, epoch: held } });
      assert.equal((await leaves(world)).epoch, 10);
    });
  }
});

test('what another has, or somebody forgot, is found before the VM is touched', async () => {
  const withRight = { ownership: right };
  const elsewhere = { ownership: { ...right, storeUrl: otherStoreUrl, leaseMs: lease.durationMs } };
  for (const [state, change, code] of [
    [theirs, {}, 'vm_owned_elsewhere'],
    [{ state: 'removed' }, {}, 'vm_owned_elsewhere'],
    [null, withRight, 'store_unavailable'],
    [null, elsewhere, 'invalid_state'],
  ] as const) {
    await SettleWorld.with(async (world) => {
      if (state !== null) world.put(state, EPOCH);
      await world.vm.update(change);
      world.onAct = async (act) => assert.fail(act);
      await refusedAs(leaves(world), code);
      await checkStayed(world);
    });
  }
});

test('a store that was to be told of the VM, and may never have been, knows it or does not', async () => {
  await SettleWorld.with(async (world) => {
    await world.vm.update({ ownership: { ...right, epoch: 0 } });
    assert.equal((await leaves(world)).epoch, 1);
  });
});

test('a VM that does not run cannot leave', async () => {
  await SettleWorld.with(async (world) => {
    await world.vm.kill();
    await world.vm.markDead('stopped', null);
    await refusedAs(leaves(world), 'invalid_state');
  });
});

test('a record that another took while the VM was packed is left alone', async () => {
  for (const [state, epoch] of [
    [theirs, EPOCH],
    [ours, 9],
  ] as const) {
    await SettleWorld.with(async (world) => {
      const shelf = world.put(ours, EPOCH);
      world.onAct = async (act) => {
        if (act === 'snapshot')
          await shelf.compareAndSwap(7, { ...world.recordOf(state, epoch), revision: 8 });
      };
      await refusedAs(leaves(world), 'vm_owned_elsewhere');
      assert.equal((await shelf.read(world.vm.id))?.epoch, epoch);
      await checkStayed(world);
    });
  }
});

test('a record that changes as the VM is announced keeps it here', async () => {
  await SettleWorld.with(async (world) => {
    interfere(world, world.put(ours, EPOCH), 1, theirs);
    await refusedAs(leaves(world), 'vm_owned_elsewhere');
    await checkStayed(world);
  });
});

test('a VM that is reclaimed right before the commit ends here, and its person is told', async () => {
  await SettleWorld.with(async (world) => {
    interfere(world, world.put(ours, EPOCH), 2, {
      state: 'at-rest',
      packageId: olderPackageId,
      reclaimedFrom: 'a',
    });
    await refusedAs(leaves(world), 'vm_owned_elsewhere');
    assert.equal(world.vm.record.departed?.reclaimedBy, 'beta');
    assert.deepEqual([world.machines, await world.entries()], [[], []]);
    assert.equal((await world.snapshots()).length, 2, 'its own, and what was kept of it');
  });
});

test('a commit whose answer is lost counts, and one that nobody can tell keeps the VM paused', async () => {
  for (const isThere of [true, false]) {
    await SettleWorld.with(async (world) => {
      const shelf = world.put(ours, EPOCH);
      shelf.onSwapped = async () => {
        if (shelf.writes < 2) return;
        if (!isThere) {
          world.here = null;
          shelf.read = () => Promise.reject(new KelpieError('store_unavailable', 'it does not answer.'));
        }
        throw new KelpieError('store_unavailable', 'the answer is lost.');
      };
      if (isThere) {
        assert.equal((await leaves(world)).epoch, EPOCH + 1);
        assert.deepEqual(world.machines, []);
        return;
      }
      await assert.rejects(leaves(world), /is not settled: it stays paused until its store answers/);
      assert.equal(world.machines[0]?.state, 'paused');
      const entries = await world.entries();
      assert.equal(entries.length, 1);
      assert.deepEqual(
        world.held.map(({ id }) => id),
        entries.map(({ id }) => id),
      );
    });
  }
});

test('a VM that has left, and whose copy cannot be ended yet, is said to have left', async () => {
  await SettleWorld.with(async (world) => {
    world.put(ours, EPOCH);
    world.onAct = async (act) => {
      if (act === 'stop') throw new KelpieError('vm_crashed', 'it does not answer.');
    };
    await assert.rejects(leaves(world), /has left, but its copy here could not be ended yet/);
    assert.equal(world.held.length, 1);
    assert.ok(world.vm.record.departed !== null);
  });
});

test('whoever cancels before anything was done finds it so', async () => {
  await SettleWorld.with(async (world) => {
    const canceled = AbortSignal.abort(new KelpieError('canceled', 'it was canceled.'));
    await refusedAs(leaves(world, { ...quiet, signal: canceled }), 'canceled');
    await checkStayed(world);
    assert.deepEqual(await world.snapshots(), []);
  });
});

test('a VM that stood still stands still when it does not leave', async () => {
  await SettleWorld.with(async (world) => {
    await world.vm.requireLive('pause').pause();
    interfere(world, world.put(ours, EPOCH), 1, { ...theirs, packageId });
    await refusedAs(leaves(world), 'vm_owned_elsewhere');
    assert.equal(world.machines[0]?.state, 'paused');
  });
});
