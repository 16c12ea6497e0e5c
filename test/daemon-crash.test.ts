/**
 * The daemon is killed at each call that it makes, at every phase of every operation, and started again. Oracle: a VM runs in one place at
 * most, and it is never lost: it runs, or it is at rest in the store and can be restored, with the memory that it had.
 */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import test from 'node:test';
import { KelpieError } from '../src/base/errors.ts';
import { isOwnedBy } from '../src/teleport/ownership.ts';
import { restoreLocal } from '../src/teleport/restore-local.ts';
import { removeVm, startVm, stopVm } from '../src/teleport/lifecycle.ts';
import { suspendVm, wakeVm } from '../src/teleport/suspend.ts';
import { takeSnapshot } from '../src/teleport/take-snapshot.ts';
import { forEachCrashPoint } from './support/crash-points.ts';
import { FakeHosts, quiet } from './support/fake-hosts.ts';
import { claimIn, forkHere, teleportOut } from './support/fake-moves.ts';
import { counterPage } from './support/fake-vm-backend.ts';
import { memoryOf } from './support/fake-machines.ts';
import { refusedAs } from './support/store-fixture.ts';
import type { Supervisor } from '../src/daemon/supervisor.ts';
import type { ManagedVm } from '../src/teleport/managed-vm.ts';

const COUNT = 4711;

interface World {
  readonly hosts: FakeHosts;
  readonly vmId: string;
  readonly memory: string;
}

type Operation = (supervisor: Supervisor, vm: ManagedVm, hosts: FakeHosts) => Promise<unknown>;

const teleport: Operation = async (supervisor, vm, { storeUrl }) => teleportOut(supervisor, vm, storeUrl);

const restore = async (supervisor: Supervisor, vm: ManagedVm): Promise<unknown> =>
  supervisor.operate(vm.id, 'restore', () =>
    restoreLocal(supervisor.host, supervisor.registry, vm, { snapshotId: null, replace: false }, quiet),
  );

const claim = async (supervisor: Supervisor, { storeUrl }: FakeHosts): Promise<unknown> =>
  claimIn(supervisor, storeUrl);

async function createWorld(prepare?: Operation): Promise<World> {
  const hosts = await FakeHosts.create();
  const supervisor = await hosts.start('a');
  const vm = await hosts.bringUp(supervisor);
  const machine = hosts.machines.only(vm.id);
  machine.pages.set(0, counterPage(COUNT));
  machine.pages.set(99, counterPage(99));
  const memory = memoryOf(machine);
  await prepare?.(supervisor, vm, hosts);
  await supervisor.end(quietEnd());
  return { hosts, vmId: vm.id, memory };
}

/** Runs the act once per call that it makes, killed there. */
async function killEverywhere(
  act: (supervisor: Supervisor, hosts: FakeHosts, vmId: string) => Promise<unknown>,
  check: (supervisor: Supervisor, world: World, isKilled: boolean) => Promise<void>,
  options: { readonly prepare?: Operation; readonly host?: string; readonly stride?: number } = {},
): Promise<number> {
  const { host = 'a' } = options;
  return forEachCrashPoint<World>({
    stride: options.stride ?? 1,
    create: async () => {
      const world = await createWorld(options.prepare);
      return { env: world.hosts.env, world, close: () => world.hosts.close() };
    },
    act: async (env, { hosts, vmId }) => act(await hosts.start(host, {}, env), hosts, vmId),
    check: async (env, world, killedAt) => {
      const errors: unknown[] = [];
      const supervisor = await world.hosts.start(host, { onError: (fields) => errors.push(fields) }, env);
      assert.deepEqual(errors, [], 'recovery finds nothing that it cannot settle');
      await check(supervisor, world, killedAt !== null);
      assert.deepEqual(
        await readdir(supervisor.host.places.operationsDirectory),
        [],
        'no operation is left open',
      );
      await supervisor.end(quietEnd());
      await checkNoLeftovers(supervisor);
    },
  });
}

async function checkNoLeftovers({ registry, host }: Supervisor): Promise<void> {
  const live = registry.all
    .filter((vm) => vm.isLive)
    .map((vm) => host.places.runDirectory(vm.id).split('/').at(-1));
  assert.deepEqual(await readdir(host.places.runsDirectory), live, 'run directories of live VMs only');
  const named = new Set<string>();
  for (const vm of registry.all) {
    const { runtime, disk } = vm.record;
    for (const layer of [...disk, ...(runtime?.disk ?? [])]) named.add(layer.id);
    for (const id of [...(runtime?.memory?.pageFiles ?? []), runtime?.memory?.mappable ?? '']) named.add(id);
    for (const listing of await host.snapshots.list(vm.id)) {
      assert.ok(!listing.damaged, 'no snapshot is damaged');
      const { memory, disk: layers } = listing.snapshot;
      for (const id of [...memory.pageFiles, memory.mappable ?? '', ...layers.map((layer) => layer.id)])
        named.add(id);
    }
    const aside = await host.snapshots.aside(vm.id);
    for (const id of aside?.memory.pageFiles ?? []) named.add(id);
    for (const { id } of aside?.disk ?? []) named.add(id);
  }
  const blobs = (await readdir(host.places.blobDirectory)).map((name) => name.slice(0, 36));
  assert.deepEqual(
    blobs.filter((id) => !named.has(id)),
    [],
    'no blob is left that nobody names',
  );
}

/** Runs here, exactly once, with its memory, and can be used. */
async function checkRunsHere(supervisor: Supervisor, { hosts, vmId, memory }: World): Promise<void> {
  const vm = supervisor.registry.byId(vmId);
  assert.ok(vm !== undefined, 'the VM is known');
  assert.equal(vm.record.state, 'running');
  const machine = hosts.machines.only(vmId);
  assert.equal(machine.state, 'running');
  assert.equal(memoryOf(machine), memory);
  await vm.requireLive('pause').pause();
  await vm.requireLive('resume').resume();
}

/** Nobody else can take a VM that runs here. */
async function checkNotClaimable(supervisor: Supervisor, { hosts, vmId }: World): Promise<void> {
  const { host } = supervisor;
  const record = await (await host.openStore(hosts.storeUrl)).ownership.read(vmId);
  assert.ok(record === null || isOwnedBy(record, host.identity.id), `the record says ${record?.state}`);
}

/** At rest in the store, runs nowhere, and another host can take it. */
async function checkAtRest(supervisor: Supervisor, world: World, target: string): Promise<void> {
  const { hosts, vmId } = world;
  assert.deepEqual(hosts.machines.ofVm(vmId), [], 'it runs nowhere');
  const record = await (await supervisor.host.openStore(hosts.storeUrl)).ownership.read(vmId);
  assert.equal(record?.state, 'at-rest');
  const other = await hosts.start(target);
  await claim(other, hosts);
  await checkRunsHere(other, world);
  await other.end(quietEnd());
}

test('teleport: killed anywhere, the VM runs here or is at rest in the store', async () => {
  const outcomes = new Set<string>();
  const kills = await killEverywhere(
    async (supervisor, hosts, vmId) => teleport(supervisor, required(supervisor, vmId), hosts),
    async (supervisor, world, isKilled) => {
      const vm = required(supervisor, world.vmId);
      if (vm.record.departed === null) {
        assert.ok(isKilled, 'a teleport that came to its end has departed');
        await checkRunsHere(supervisor, world);
        await checkNotClaimable(supervisor, world);
        outcomes.add('stayed');
        return;
      }
      outcomes.add('departed');
      assert.throws(() => vm.requireHere('start'), { code: 'vm_departed' });
      await checkAtRest(supervisor, world, 'b');
    },
  );
  assert.equal(outcomes.size, 2, 'kills on both sides of the commit');
  assert.ok(kills > 100, `${kills} calls`);
});

test('restore from a store: killed anywhere, the VM runs here or is at rest again', async () => {
  await killRestores(null, 1);
});

test('restore from a store with a lease: killed anywhere, the VM runs here or is at rest again', async () => {
  await killRestores(60_000, 4);
});

async function killRestores(leaseMs: number | null, stride: number): Promise<void> {
  const kills = await killEverywhere(
    async (supervisor, hosts) => claimIn(supervisor, hosts.storeUrl, leaseMs),
    async (supervisor, world, isKilled) => {
      const vm = supervisor.registry.byId(world.vmId);
      if (vm !== undefined) {
        await checkRunsHere(supervisor, world);
        await checkNotClaimable(supervisor, world);
      } else {
        assert.ok(isKilled, 'a restore that came to its end has brought the VM');
        await checkAtRest(supervisor, world, 'c');
      }
    },
    { prepare: teleport, host: 'b', stride },
  );
  assert.ok(kills * stride > 100, `${kills} calls`);
}

test('snapshot: killed anywhere, the VM goes on and the snapshot is there or never was', async () => {
  await killEverywhere(
    async (supervisor, _hosts, vmId) => {
      const { host, registry } = supervisor;
      const vm = required(supervisor, vmId);
      return supervisor.operate(vmId, 'snapshot', () => takeSnapshot(host, registry, vm, 'mine', quiet));
    },
    async (supervisor, world) => {
      await checkRunsHere(supervisor, world);
      const vm = required(supervisor, world.vmId);
      const ids = await supervisor.host.snapshots.ids(vm.id);
      assert.deepEqual(ids, vm.record.snapshotId === null ? [] : [vm.record.snapshotId]);
    },
  );
});

test('suspend: killed anywhere, the VM runs on, or sleeps in its snapshot and wakes', async () => {
  const outcomes = new Set<string>();
  await killEverywhere(
    async (supervisor, _hosts, vmId) => {
      const { host, registry } = supervisor;
      const vm = required(supervisor, vmId);
      return supervisor.operate(vmId, 'suspend', () => suspendVm(host, registry, vm, '', quiet));
    },
    async (supervisor, world, isKilled) => {
      const { host, registry } = supervisor;
      const vm = required(supervisor, world.vmId);
      outcomes.add(vm.record.state);
      assert.ok(
        isKilled || vm.record.state === 'suspended',
        'a suspend that came to its end has put it to sleep',
      );
      if (vm.record.state === 'suspended') {
        assert.deepEqual(world.hosts.machines.ofVm(world.vmId), [], 'nothing of it runs');
        await refusedAs(startVm(host, registry, vm, quiet), 'invalid_state');
        await supervisor.operate(vm.id, 'resume', () => wakeVm(host, registry, vm, quiet));
      }
      await checkRunsHere(supervisor, world);
    },
    { stride: 2 },
  );
  assert.deepEqual([...outcomes].toSorted(), ['running', 'suspended']);
});

test('fork: killed anywhere, the VM goes on, and each copy runs or never was', async () => {
  const counts = new Set<number>();
  await killEverywhere(
    async (supervisor, _hosts, vmId) => forkHere(supervisor, required(supervisor, vmId), 2),
    async (supervisor, world, isKilled) => {
      await checkRunsHere(supervisor, world);
      assert.deepEqual(
        await supervisor.host.snapshots.ids(world.vmId),
        [],
        'the snapshot was for the copies only',
      );
      const copies = supervisor.registry.all.filter(({ id }) => id !== world.vmId);
      for (const { id } of copies) await checkRunsHere(supervisor, { ...world, vmId: id });
      assert.ok(isKilled || copies.length === 2, 'a fork that came to its end has made all');
      counts.add(copies.length);
    },
    { stride: 4 },
  );
  assert.ok(counts.has(0) && counts.has(2), 'kills before the end and behind it');
});

test('local restore: killed anywhere, the VM runs as it was then or can be restored again', async () => {
  const prepare: Operation = async ({ host, registry }, vm) => {
    await takeSnapshot(host, registry, vm, '', quiet);
    await stopVm(host, registry, vm, true);
  };
  await killEverywhere(
    async (supervisor, _hosts, vmId) => restore(supervisor, required(supervisor, vmId)),
    async (supervisor, world) => {
      if (!required(supervisor, world.vmId).isLive) {
        assert.deepEqual(world.hosts.machines.ofVm(world.vmId), [], 'it runs nowhere');
        await restore(supervisor, required(supervisor, world.vmId));
      }
      await checkRunsHere(supervisor, world);
    },
    { prepare },
  );
});

test('stop, start and remove: killed anywhere, the VM is where the record says', async () => {
  await killEverywhere(
    async (supervisor, _hosts, vmId) => {
      const { host, registry } = supervisor;
      const vm = required(supervisor, vmId);
      await supervisor.operate(vmId, 'stop', () => stopVm(host, registry, vm, false));
      await supervisor.operate(vmId, 'start', () => startVm(host, registry, vm, quiet));
      await supervisor.operate(vmId, 'remove', () => removeVm(host, registry, vm, true));
    },
    async ({ registry }, { hosts, vmId }) => {
      const vm = registry.byId(vmId);
      assert.equal(hosts.machines.ofVm(vmId).length, vm?.isLive === true ? 1 : 0);
      if (vm !== undefined) assert.ok(['running', 'stopped'].includes(vm.record.state), vm.record.state);
    },
  );
});

function required({ registry }: Pick<Supervisor, 'registry'>, vmId: string): ManagedVm {
  const vm = registry.byId(vmId);
  assert.ok(vm !== undefined, 'the VM is known');
  return vm;
}

function quietEnd(): KelpieError {
  return new KelpieError('canceled', 'the daemon ends.');
}
