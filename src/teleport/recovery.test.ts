/** What a daemon that starts makes of VMs and of operations that were cut. */
import assert from 'node:assert/strict';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import test from 'node:test';
import { SettleWorld, hostId, packageId, storeUrl } from '../../test/support/settle-world.ts';
import { refusedAs } from '../../test/support/store-fixture.ts';
import { defined } from '../base/assert.ts';
import { findAgain, goOn, recover, settle } from './recovery.ts';
import { standingOf } from './vm-record.ts';
import type { OwnershipState } from '../store/ownership-records.ts';
import type { ManagedVm } from './managed-vm.ts';
import type { Recovered } from './recovery.ts';
import type { VmRecord } from './vm-record.ts';
import type { VmRegistry } from './vm-registry.ts';

const EPOCH = 3;
const LEASE_MS = 30_000;
const departed = { storeUrl, packageId, epoch: 4, reclaimedBy: null };
const ours: OwnershipState = { state: 'running', owner: hostId, packageId, lease: { durationMs: LEASE_MS } };
const theirs: OwnershipState = { ...ours, owner: 'host-b' };
const OTHER_ID = '00000000-0000-4000-8000-00000000000b';

interface Found extends Recovered {
  readonly registry: VmRegistry;
  readonly vm: ManagedVm;
}

/** The daemon is gone; the one after it finds this. */
async function recovered(world: SettleWorld): Promise<Found> {
  await world.vm.release();
  const registry = await world.reload();
  const { missing, stalled } = await recover(world.host, registry);
  return { registry, missing, stalled, vm: defined(registry.byId(world.vm.id), 'the VM') };
}

/** As a daemon finds it that has not looked for what runs. */
async function unfound(world: SettleWorld, change: Partial<VmRecord> = {}): Promise<ManagedVm> {
  await world.vm.release();
  await world.vm.update(change);
  return (await world.reload()).require('dev');
}

async function freeze(world: SettleWorld): Promise<ManagedVm> {
  await writeFile(`${world.host.places.leaseFuse(world.vm.id)}.blown`, '');
  const ownership = { storeUrl, epoch: EPOCH, leaseMs: LEASE_MS, leasePause: 'none' } as const;
  return await unfound(world, { ownership });
}

test('a VM that runs is found again', async () => {
  await SettleWorld.with(async (world) => {
    const { vm, missing, stalled } = await recovered(world);
    assert.equal(vm.instance?.state, 'running');
    assert.deepEqual([missing, stalled], [[], []]);
    assert.equal(world.machines.length, 1);
  });
});

test('a VM that stands still is to go on, but not one that a person paused, or that something is done with', async () => {
  await SettleWorld.with(async (world) => {
    const [machine] = world.machines;
    assert.ok(machine !== undefined);
    machine.state = 'paused';
    const first = await recovered(world);
    assert.deepEqual(first.stalled, [first.vm]);
    assert.deepEqual(first.missing, []);
    // Its record says so now, and the next daemon takes it for a person's wish.
    const second = await recovered(world);
    assert.deepEqual([second.stalled, second.vm.record.state], [[], 'paused']);
    await world.vm.update({ state: 'running' });
    const operation = {
      ...world.entry,
      kind: 'checkpoint',
      snapshotId: world.host.env.random.uuid(),
    } as const;
    await world.host.journal.begin(operation);
    const third = await recovered(world);
    assert.deepEqual([third.stalled, third.missing], [[], []]);
    assert.deepEqual(await world.entries(), []);
  });
});

test('a VM that is gone has crashed, whatever it was about to do', async () => {
  await SettleWorld.with(async (world) => {
    await world.vm.release();
    world.kill();
    const { vm, missing } = await recovered(world);
    assert.deepEqual([vm.record.state, vm.record.runtime, missing], ['crashed', null, []]);
  });
  await SettleWorld.with(async (world) => {
    const vm = await unfound(world, { state: 'starting', runtime: null });
    world.kill();
    await findAgain(world.host, vm);
    assert.deepEqual([vm.record.state, vm.record.reason], ['crashed', 'it ended while the daemon was away']);
  });
});

test('a VM that rests is left as it is', async () => {
  await SettleWorld.with(async (world) => {
    await world.vm.kill();
    await world.vm.markDead('suspended', null);
    const { record } = world.vm;
    assert.deepEqual((await recovered(world)).vm.record, record);
  });
});

test('a VM that cannot be found now is missing, and is not given up', async () => {
  await SettleWorld.with(async (world) => {
    const { runtime } = world.vm.record;
    assert.ok(runtime !== null);
    // A backend that this host does not have.
    await world.vm.update({ runtime: { ...runtime, machine: { ...runtime.machine, backend: 'vz' } } });
    const { vm, missing, stalled } = await recovered(world);
    assert.deepEqual([missing, stalled], [[vm], []]);
    assert.deepEqual(world.errors, ['vm-not-adopted']);
    assert.equal(vm.record.state, 'running');
    assert.equal(world.machines.length, 1);
    await refusedAs(findAgain(world.host, vm), 'backend_unavailable');
  });
});

test('nothing of a VM that has left runs, or is looked for', async () => {
  await SettleWorld.with(async (world) => {
    const vm = await unfound(world, { departed });
    await findAgain(world.host, vm);
    assert.deepEqual(world.machines, []);
    assert.deepEqual([vm.record.state, vm.record.runtime, vm.record.departed], ['stopped', null, departed]);
    await vm.update({ state: 'crashed' });
    await findAgain(world.host, vm);
    assert.equal(vm.record.state, 'crashed');
  });
});

test('a VM that is known is not looked for', async () => {
  await SettleWorld.with(async (world) => {
    await world.vm.update({ departed });
    await findAgain(world.host, world.vm);
    assert.equal(world.machines.length, 1);
  });
});

test('run directories are removed but for those of VMs that live, or may', async () => {
  await SettleWorld.with(async (world) => {
    const { places } = world.host;
    await mkdir(places.runDirectory(OTHER_ID));
    await mkdir(places.vmDirectory(OTHER_ID));
    await writeFile(places.vmRecord(OTHER_ID), '{');
    await mkdir(`${places.runsDirectory}/nobody`);
    await recovered(world);
    const kept = [places.runDirectory(world.vm.id), places.runDirectory(OTHER_ID)];
    const names = (await readdir(places.runsDirectory)).map((name) => `${places.runsDirectory}/${name}`);
    assert.deepEqual(names.toSorted(), kept.toSorted());
    await world.vm.kill();
    await world.vm.markDead('stopped', null);
    await mkdir(places.runDirectory(world.vm.id));
    await recovered(world);
    assert.equal((await readdir(places.runsDirectory)).length, 1);
  });
});

test('an entry that cannot be understood is told, one that is no entry is removed, and the others are settled', async () => {
  await SettleWorld.with(async (world) => {
    const { host } = world;
    await writeFile(host.places.operation(OTHER_ID), '{}');
    await writeFile(`${host.places.operation(OTHER_ID)}.new`, '{');
    await host.journal.begin({ ...world.entry, kind: 'stop' });
    const { vm } = await recovered(world);
    assert.deepEqual(world.errors, ['journal-entry-damaged']);
    assert.equal(vm.record.state, 'stopped');
    assert.deepEqual(await readdir(host.places.operationsDirectory), [`${OTHER_ID}.json`]);
  });
});

test('an operation that ends the process does not look for it first', async () => {
  await SettleWorld.with(async (world) => {
    const { runtime } = world.vm.record;
    assert.ok(runtime !== null);
    const machine = { ...runtime.machine, backend: 'vz' } as const;
    for (const run of [recovered, settledBy]) {
      await world.vm.update({ state: 'running', runtime: { ...runtime, machine } });
      await world.host.journal.begin({ ...world.entry, kind: 'stop' });
      await run(world);
      assert.deepEqual([world.errors, world.machines, await world.entries()], [[], [], []]);
    }
  });
});

/** As the daemon does that tries again later. */
async function settledBy(world: SettleWorld): Promise<void> {
  const [entry] = await world.entries();
  await settle(world.host, await world.reload(), defined(entry, 'an entry'));
}

test('an operation that leaves the VM alive has it found first', async () => {
  await SettleWorld.with(async (world) => {
    const snapshotId = await world.pauseWithSnapshot();
    await world.vm.release();
    await world.host.journal.begin({ ...world.entry, kind: 'snapshot', snapshotId, wasRunning: true });
    await settledBy(world);
    assert.equal(world.machines[0]?.state, 'running');
    assert.deepEqual([await world.snapshots(), await world.entries()], [[], []]);
  });
});

test('what must wait is held, and keeps nothing else from being settled', async () => {
  await SettleWorld.with(async (world) => {
    world.here = null;
    const snapshotId = await world.pauseWithSnapshot();
    const operation = {
      ...world.entry,
      kind: 'teleport',
      step: 'committing',
      ...{ storeUrl, snapshotId, wasRunning: true, commitEpoch: 4, packageId },
    } as const;
    await world.host.journal.begin(operation);
    const checkpoint = { ...world.entry, startedAtUnixMs: operation.startedAtUnixMs + 1 };
    await world.host.journal.begin({ ...checkpoint, kind: 'checkpoint', snapshotId: OTHER_ID });
    await recovered(world);
    assert.deepEqual(world.held, [operation]);
    assert.deepEqual(await world.entries(), [operation]);
    assert.equal(world.machines[0]?.state, 'paused');
  });
});

test('a claim that was done is found again, and one that was not leaves nothing', async () => {
  for (const isDone of [true, false]) {
    await SettleWorld.with(async (world) => {
      const snapshotId = await world.pauseWithSnapshot();
      const before = { ...standingOf(world.vm.record), state: 'stopped', departed } as const;
      const ownership = { storeUrl, epoch: EPOCH, leaseMs: null, leasePause: 'none' } as const;
      await world.vm.update({ ownership, departed: isDone ? null : departed });
      await world.vm.release();
      const claim = { kind: 'claim', step: 'fetching', storeUrl, packageId, snapshotId } as const;
      await world.host.journal.begin({ ...world.entry, ...claim, claimEpoch: EPOCH, before });
      const { vm } = await recovered(world);
      assert.equal(vm.instance?.state, isDone ? 'paused' : undefined);
      assert.equal(world.machines.length, isDone ? 1 : 0);
      assert.deepEqual(await world.entries(), []);
    });
  }
});

test('a claim of a VM that is not known in the end is over', async () => {
  await SettleWorld.with(async (world) => {
    const claim = { kind: 'claim', step: 'fetching', storeUrl, packageId, snapshotId: OTHER_ID } as const;
    const entry = { ...world.entry, ...claim, claimEpoch: EPOCH, before: null };
    await world.host.journal.begin(entry);
    await settle(world.host, world.registry, entry);
    assert.deepEqual([world.registry.all, world.machines, await world.entries()], [[], [], []]);
  });
});

test('a teleport of a VM that was removed since is over', async () => {
  await SettleWorld.with(async (world) => {
    world.here = null;
    const entry = {
      ...world.entry,
      kind: 'teleport',
      step: 'committed',
      ...{ storeUrl, snapshotId: OTHER_ID, wasRunning: true, commitEpoch: 4, packageId },
    } as const;
    await world.host.journal.begin(entry);
    await world.vm.kill();
    await world.registry.remove(world.vm.id);
    await settle(world.host, world.registry, entry);
    assert.deepEqual(await world.entries(), []);
  });
});

test('a file that became a package needs no VM here: without the package it never was', async () => {
  await SettleWorld.with(async (world) => {
    const entry = { ...world.entry, vmId: OTHER_ID, kind: 'deposit', storeUrl, packageId } as const;
    await world.host.journal.begin(entry);
    await settle(world.host, world.registry, entry);
    assert.deepEqual(await world.entries(), []);
  });
});

test('a VM whose record is damaged is not guessed about, but can be removed', async () => {
  await SettleWorld.with(async (world) => {
    await world.vm.release();
    await writeFile(world.host.places.vmRecord(world.vm.id), '{');
    for (const kind of ['stop', 'remove'] as const) {
      const entry = { ...world.entry, kind };
      await world.host.journal.begin(entry);
      const settled = settle(world.host, await world.reload(), entry);
      if (kind === 'remove') await settled;
      else await refusedAs(settled, 'io_failed');
      assert.equal(world.machines.length, kind === 'stop' ? 1 : 0);
    }
  });
});

test('a VM whose lease ran out is asked about before it is served', async () => {
  await SettleWorld.with(async (world) => {
    await freeze(world);
    const { vm, missing } = await recovered(world);
    assert.deepEqual([missing, vm.instance], [[vm], null]);
    assert.deepEqual(world.errors, []);
  });
});

test('a frozen VM that is still this host’s goes on, and its lease lets it', async () => {
  await SettleWorld.with(async (world) => {
    const vm = await freeze(world);
    world.put(ours, EPOCH);
    await findAgain(world.host, vm);
    assert.equal(vm.instance?.state, 'running');
    assert.equal(vm.record.ownership?.leasePause, 'ending');
    assert.equal(await world.host.leases.isFrozen(vm.id), false);
  });
});

test('a frozen VM that was paused before stays so', async () => {
  await SettleWorld.with(async (world) => {
    await world.vm.requireLive('pause').pause();
    const vm = await freeze(world);
    world.put(ours, EPOCH);
    await findAgain(world.host, vm);
    assert.deepEqual([vm.instance?.state, vm.record.ownership?.leasePause], ['paused', 'none']);
  });
});

test('a frozen VM that is another host’s, or of which nobody knows, stays frozen', async () => {
  for (const isAnswered of [true, false]) {
    await SettleWorld.with(async (world) => {
      const vm = await freeze(world);
      if (isAnswered) world.put(theirs, EPOCH);
      else world.here = null;
      if (isAnswered) await findAgain(world.host, vm);
      else await refusedAs(findAgain(world.host, vm), 'store_unavailable');
      assert.equal(vm.instance, null);
      assert.deepEqual(world.lost, isAnswered ? [vm.id] : []);
      assert.equal(await world.host.leases.isFrozen(vm.id), true);
    });
  }
});

test('of a frozen VM that is gone no store is asked', async () => {
  await SettleWorld.with(async (world) => {
    const vm = await freeze(world);
    world.here = null;
    world.kill();
    await findAgain(world.host, vm);
    assert.equal(vm.record.state, 'crashed');
  });
});

test('a VM that stands still goes on, once', async () => {
  await SettleWorld.with(async (world) => {
    await goOn(world.host, world.vm);
    assert.equal(world.machines[0]?.state, 'running');
    await world.vm.requireLive('pause').pause();
    const acts: string[] = [];
    world.onAct = async (act) => void acts.push(act);
    await goOn(world.host, world.vm);
    await goOn(world.host, world.vm);
    assert.deepEqual(acts, ['resume']);
    await world.vm.requireLive('pause').pause();
    await world.vm.release();
    await goOn(world.host, world.vm);
    assert.equal(world.machines[0]?.state, 'paused');
  });
});

test('a VM with a lease goes on when it is renewed, and not when it is gone or nobody knows', async () => {
  for (const [state, isRunning] of [
    [ours, true],
    [theirs, false],
    [null, false],
  ] as const) {
    await SettleWorld.with(async (world) => {
      const ownership = { storeUrl, epoch: EPOCH, leaseMs: LEASE_MS, leasePause: 'none' } as const;
      await world.vm.update({ ownership });
      await world.vm.requireLive('pause').pause();
      if (state === null) world.here = null;
      else world.put(state, EPOCH);
      const gone = goOn(world.host, world.vm);
      if (state === null) await refusedAs(gone, 'store_unavailable');
      else await gone;
      assert.equal(world.machines[0]?.state, isRunning ? 'running' : 'paused');
    });
  }
});
