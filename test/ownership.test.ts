/** Leases, reclaims and hosts that come back, over daemons whose VMs are fake and whose time is fast. */
import assert from 'node:assert/strict';
import { mkdir, readdir, rename } from 'node:fs/promises';
import test from 'node:test';
import { KelpieError } from '../src/base/errors.ts';
import { whoMayRun } from '../src/daemon/who.ts';
import { startVm, stopVm } from '../src/teleport/lifecycle.ts';
import { reclaim } from '../src/teleport/reclaim.ts';
import { restoreLocal } from '../src/teleport/restore-local.ts';
import { forEachCrashPoint } from './support/crash-points.ts';
import { eventually } from './support/eventually.ts';
import { FakeHosts, quiet } from './support/fake-hosts.ts';
import { claimIn, teleportOut } from './support/fake-moves.ts';
import { memoryOf } from './support/fake-machines.ts';
import { counterPage } from './support/fake-vm-backend.ts';
import { refusedAs } from './support/store-fixture.ts';
import type { Supervisor } from '../src/daemon/supervisor.ts';
import type { Env } from '../src/env/env.ts';
import type { ManagedVm } from '../src/teleport/managed-vm.ts';

/** So many simulated seconds pass in a real one. */
const SPEED = 50;
const LEASE_MS = 20_000;
const COUNT = 815;
/** Under load an act over a directory of objects takes seconds; one that was killed is waited for no longer than this. */
const ACT_MS_MAX = 120_000;

interface World {
  readonly hosts: FakeHosts;
  readonly vmId: string;
  /** The VM came from `a`, and runs on `b`. */
  readonly b: Supervisor;
}

function fast(env: Env): Env {
  const { clock } = env;
  return {
    ...env,
    clock: {
      wallMs: () => clock.wallMs() * SPEED,
      wallNs: () => clock.wallNs() * BigInt(SPEED),
      monotonicMs: () => clock.monotonicMs() * SPEED,
      sleep: async (durationMs, signal) => await clock.sleep(durationMs / SPEED, signal),
    },
  };
}

async function createWorld(leaseMs: number | null): Promise<World> {
  const hosts = await FakeHosts.create();
  const a = await hosts.start('a');
  const vm = await hosts.bringUp(a);
  await teleportOut(a, vm, hosts.storeUrl);
  await a.end(ended());
  const b = await start(hosts, 'b');
  await claimIn(b, hosts.storeUrl, leaseMs);
  return { hosts, vmId: vm.id, b };
}

async function withWorld(leaseMs: number | null, use: (world: World) => Promise<void>): Promise<void> {
  const world = await createWorld(leaseMs);
  try {
    await use(world);
  } finally {
    await world.b.end(ended());
    await world.hosts.close();
  }
}

async function start(hosts: FakeHosts, name: string, env: Env = hosts.env): Promise<Supervisor> {
  return await hosts.start(name, {}, fast(env));
}

function ended(): KelpieError {
  return new KelpieError('canceled', 'the daemon ends.');
}

function vmOf({ registry }: Supervisor, vmId: string): ManagedVm {
  const vm = registry.byId(vmId);
  assert.ok(vm !== undefined);
  return vm;
}

async function reclaimFrom(supervisor: Supervisor, { hosts, vmId }: World, force: boolean): Promise<unknown> {
  const { host, registry } = supervisor;
  return await reclaim(host, registry, { storeUrl: hosts.storeUrl, vm: vmId, force }, quiet);
}

/** The copy on `b` has ended, and the person there is told so. */
async function checkEnded(b: Supervisor, { hosts, vmId }: World): Promise<void> {
  const vm = vmOf(b, vmId);
  await eventually(
    () => vm.record.departed !== null && b.busy(vmId) === null,
    'the copy has ended',
    () => JSON.stringify(vm.record),
  );
  assert.equal(vm.record.departed?.reclaimedBy, 'a');
  assert.equal(vm.record.state, 'stopped');
  assert.deepEqual(hosts.machines.ofVm(vmId), []);
  await refusedAs(startVm(b.host, b.registry, vm, quiet), 'vm_departed');
  const request = { snapshotId: null, replace: false };
  await refusedAs(restoreLocal(b.host, b.registry, vm, request, quiet), 'vm_departed');
}

/** What was done on `b` since the last package is kept. */
async function checkKept(b: Supervisor, vmId: string): Promise<void> {
  const listings = await b.host.snapshots.list(vmId);
  const kept = listings.find(
    (listing) => !listing.damaged && /another host took/.test(listing.snapshot.metadata.message),
  );
  assert.ok(kept !== undefined && !kept.damaged);
  assert.equal(kept.id, vmOf(b, vmId).record.snapshotId);
}

test('a host renews its lease, pauses its VM when it cannot, says why, and lets it go on when it can', async () => {
  await withWorld(LEASE_MS, async ({ hosts, b, vmId }) => {
    const vm = vmOf(b, vmId);
    const { ownership } = await b.host.openStore(hosts.storeUrl);
    const revision = async (): Promise<number> => (await ownership.read(vmId))?.revision ?? 0;
    const first = await revision();
    await eventually(async () => (await revision()) > first + 3, 'the lease is renewed');
    // A machine that stood still for the length of a lease may have paused it, rightly.
    await eventually(() => vm.record.state === 'running', 'it runs');

    await rename(hosts.storeUrl, `${hosts.storeUrl}-away`);
    await eventually(() => vm.record.state === 'paused', 'it is paused');
    await eventually(() => vm.record.ownership?.leasePause === 'paused', 'that is written down');
    assert.match(vm.record.reason ?? '', /lease could not be renewed/);
    const away = await whoMayRun(b, 'dev', null);
    assert.ok(away.trouble !== null && away.local?.isLeasePaused === true);
    assert.match(away.because.join(' '), /paused until its lease is renewed/);

    await rename(`${hosts.storeUrl}-away`, hosts.storeUrl);
    await eventually(() => vm.record.state === 'running', 'it goes on');
    await eventually(() => vm.record.ownership?.leasePause === 'none', 'that is written down');
    await eventually(async () => {
      const { mayRun, because } = await whoMayRun(b, 'dev', null);
      return mayRun === 'b' && /It is alive: its lease of 20 s/.test(because.join(' '));
    }, 'it is told to be alive');
  });
});

test('a VM that its person paused stays paused when its lease is renewed again', async () => {
  await withWorld(LEASE_MS, async ({ hosts, b, vmId }) => {
    const vm = vmOf(b, vmId);
    await vm.requireLive('pause').pause();
    await rename(hosts.storeUrl, `${hosts.storeUrl}-away`);
    await eventually(() => (b.host.leases.view(vmId)?.leftMs ?? 1) === 0, 'the lease is over');
    await rename(`${hosts.storeUrl}-away`, hosts.storeUrl);
    await eventually(() => (b.host.leases.view(vmId)?.leftMs ?? 0) > 0, 'it is renewed');
    assert.equal(vm.record.state, 'paused');
  });
});

for (const leaseMs of [null, LEASE_MS]) {
  const kind = leaseMs === null ? 'without a lease' : 'with a lease';
  test(`a daemon that comes back finds that its VM was reclaimed, ends the copy and keeps its state: ${kind}`, async () => {
    await withWorld(leaseMs, async (world) => {
      const { hosts, vmId } = world;
      await world.b.end(ended());
      hosts.machines.only(vmId).pages.set(0, counterPage(COUNT));
      const a = await start(hosts, 'a');
      if (leaseMs === null) await refusedAs(reclaimFrom(a, world, false), 'vm_owned_elsewhere');
      await reclaimFrom(a, world, leaseMs === null);
      const b = await start(hosts, 'b');
      await checkEnded(b, world);
      await checkKept(b, vmId);
      await claimIn(a, hosts.storeUrl);
      assert.match((await whoMayRun(b, 'dev', null)).because.join(' '), /a may run it.*until a reclaimed it/);
      await a.end(ended());
      await b.end(ended());
    });
  });
}

test('a live host that is overruled stops its VM, keeps its state, and can restore the VM from the store again', async () => {
  await withWorld(LEASE_MS, async (world) => {
    const { hosts, b, vmId } = world;
    hosts.machines.only(vmId).pages.set(0, counterPage(COUNT));
    const memory = memoryOf(hosts.machines.only(vmId));
    const a = await start(hosts, 'a');
    await refusedAs(reclaimFrom(a, world, false), 'vm_owned_elsewhere');
    await reclaimFrom(a, world, true);
    await checkEnded(b, world);
    await checkKept(b, vmId);
    await claimIn(b, hosts.storeUrl);
    assert.notEqual(memoryOf(hosts.machines.only(vmId)), memory, 'it went back to its package');
    await a.end(ended());
  });
});

for (const leaseMs of [null, LEASE_MS]) {
  test(`after a loss of power a VM that was reclaimed does not start again: ${leaseMs === null ? 'no lease' : 'a lease'}`, async () => {
    await withWorld(leaseMs, async (world) => {
      const { hosts, vmId } = world;
      await world.b.end(ended());
      hosts.machines.kill(hosts.machines.only(vmId).pid);
      const a = await start(hosts, 'a');
      await reclaimFrom(a, world, true);
      const b = await start(hosts, 'b');
      const vm = vmOf(b, vmId);
      await refusedAs(startVm(b.host, b.registry, vm, quiet), 'vm_owned_elsewhere', 'vm_departed');
      await checkEnded(b, world);
      assert.ok(vm.record.disk.length > 0, 'its disk is all there is, and stays');
      await a.end(ended());
      await b.end(ended());
    });
  });
}

test('a daemon that starts while the store is away pauses a VM with a lease, and leaves another alone', async () => {
  for (const leaseMs of [null, LEASE_MS]) {
    await withWorld(leaseMs, async ({ hosts, b: before, vmId }) => {
      await before.end(ended());
      await rename(hosts.storeUrl, `${hosts.storeUrl}-away`);
      const b = await start(hosts, 'b');
      const vm = vmOf(b, vmId);
      if (leaseMs !== null) await eventually(() => vm.record.state === 'paused', 'it is paused');
      assert.equal(hosts.machines.only(vmId).state, leaseMs === null ? 'running' : 'paused');
      await rename(`${hosts.storeUrl}-away`, hosts.storeUrl);
      await eventually(() => hosts.machines.only(vmId).state === 'running', 'it runs');
      await b.end(ended());
    });
  }
});

for (const found of ['by a daemon that starts', 'by a VM that is started'] as const) {
  test(`a right of which a store that was away said nothing is asked about until it does: ${found}`, async () => {
    await withWorld(null, async (world) => {
      const { hosts, vmId } = world;
      const isDaemon = found === 'by a daemon that starts';
      const a = await start(hosts, 'a');
      if (isDaemon) await world.b.end(ended());
      await reclaimFrom(a, world, true);
      await rename(hosts.storeUrl, `${hosts.storeUrl}-away`);
      const b = isDaemon ? await start(hosts, 'b') : world.b;
      const vm = vmOf(b, vmId);
      if (!isDaemon) {
        await b.operate(vmId, 'stop', () => stopVm(b.host, b.registry, vm, true));
        await b.operate(vmId, 'start', () => startVm(b.host, b.registry, vm, quiet));
      }
      assert.equal(hosts.machines.only(vmId).state, 'running', 'nobody could say that it may not');
      await rename(`${hosts.storeUrl}-away`, hosts.storeUrl);
      await checkEnded(b, world);
      await checkKept(b, vmId);
      await a.end(ended());
      if (isDaemon) await b.end(ended());
    });
  });
}

test('a VM with a lease is teleported away, and nothing of the lease is left', async () => {
  await withWorld(LEASE_MS, async ({ hosts, b, vmId }) => {
    const other = `${hosts.root}/other`;
    await mkdir(other);
    await refusedAs(teleportOut(b, vmOf(b, vmId), other), 'invalid_state');
    assert.deepEqual(await readdir(other), []);
    await teleportOut(b, vmOf(b, vmId), hosts.storeUrl);
    assert.equal(b.host.leases.view(vmId), null);
    const record = await (await b.host.openStore(hosts.storeUrl)).ownership.read(vmId);
    assert.equal(record?.state, 'at-rest');
    const a = await start(hosts, 'a');
    await refusedAs(reclaimFrom(a, { hosts, b, vmId }, true), 'invalid_state');
    await claimIn(a, hosts.storeUrl, LEASE_MS);
    await refusedAs(reclaimFrom(a, { hosts, b, vmId }, true), 'invalid_state');
    await a.end(ended());
  });
});

test('killed anywhere while a copy is ended: it is ended once, and its state kept', async () => {
  const kills = await forEachCrashPoint<World>({
    create: async () => {
      const world = await createWorld(null);
      const { hosts } = world;
      await world.b.end(ended());
      const a = await hosts.start('a');
      await reclaimFrom(a, world, true);
      await a.end(ended());
      return { env: hosts.env, world, close: () => hosts.close() };
    },
    act: async (env, world, over) => {
      const b = await start(world.hosts, 'b', env);
      const vm = vmOf(b, world.vmId);
      await eventually(
        () => over.aborted || (vm.record.departed !== null && b.busy(world.vmId) === null),
        'ended',
        undefined,
        ACT_MS_MAX,
      );
    },
    check: async (env, world) => {
      const b = await start(world.hosts, 'b', env);
      await checkEnded(b, world);
      await checkKept(b, world.vmId);
      assert.deepEqual((await b.host.journal.readAll()).entries, []);
      assert.ok((await b.host.snapshots.list(world.vmId)).every(({ damaged }) => !damaged));
      await b.end(ended());
    },
  });
  assert.ok(kills > 40, `${kills} kills`);
});
