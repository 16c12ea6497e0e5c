/** Snapshots that are removed by their age: what a VM needs stays whatever the rule, and what nobody names is swept. */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import test from 'node:test';
import { KelpieError } from '../src/base/errors.ts';
import { routes } from '../src/daemon/api/routes.ts';
import { pruneSnapshots } from '../src/daemon/prune-snapshots.ts';
import { takeSnapshot } from '../src/teleport/take-snapshot.ts';
import { restoreLocal } from '../src/teleport/restore-local.ts';
import { forEachCrashPoint } from './support/crash-points.ts';
import { dev, rejectsWith } from './support/daemon-calls.ts';
import { eventually } from './support/eventually.ts';
import { withFakeHosts } from './support/fake-daemon.ts';
import { FakeHosts, quiet } from './support/fake-hosts.ts';
import type { Supervisor } from '../src/daemon/supervisor.ts';
import type { SnapshotPrune } from '../src/daemon/api/prune.ts';
import type { FakeDaemon } from './support/fake-daemon.ts';

async function snapshots({ operate }: FakeDaemon, count: number): Promise<readonly string[]> {
  const ids: string[] = [];
  for (let at = 0; at < count; at += 1)
    ids.push((await operate(routes.snapshotCreate, { ...dev, body: { message: '' } })).snapshot.id);
  return ids;
}

/** What keeps each, by its id; `''` for one that goes. */
async function prune({ client }: FakeDaemon, body: SnapshotPrune): Promise<Readonly<Record<string, string>>> {
  const pruned = await client.call(routes.snapshotPrune, { ...dev, body });
  assert.deepEqual(pruned.damaged, []);
  return Object.fromEntries(pruned.snapshots.map(({ id, keptBy }) => [id, keptBy.join()]));
}

async function listed({ client }: FakeDaemon): Promise<readonly string[]> {
  return (await client.call(routes.snapshotLog, dev)).snapshots.map(({ id }) => id);
}

const keepLast = (last: number, isDryRun = false): SnapshotPrune => ({ rule: { last }, isDryRun });

test('the rule says which snapshots stay; a dry run removes none, and a rule that keeps none is refused', async () => {
  await withFakeHosts(async (start) => {
    const here = await start('a');
    await here.up();
    const [a = '', b = '', c = ''] = await snapshots(here, 3);
    const expected = { [a]: '', [b]: 'last', [c]: 'last,current' };
    assert.deepEqual(await prune(here, keepLast(2, true)), expected);
    assert.deepEqual(await listed(here), [a, b, c]);
    await rejectsWith('usage', here.client.call(routes.snapshotPrune, { ...dev, body: keepLast(0) }));
    await rejectsWith(
      'invalid_argument',
      here.client.call(routes.snapshotPrune, { ...dev, body: keepLast(-1) }),
    );
    assert.deepEqual(await prune(here, keepLast(2)), expected);
    assert.deepEqual(await listed(here), [b, c]);
    assert.deepEqual(await prune(here, keepLast(2)), { [b]: 'last', [c]: 'last,current' });
  });
});

test('what a VM runs from, sleeps in or goes back to stays, and a copy needs no snapshot but its own', async () => {
  await withFakeHosts(async (start) => {
    const here = await start('a');
    await here.up();
    const [a = '', b = ''] = await snapshots(here, 2);
    const copies = { ...dev, body: { count: 1, name: 'copy', snapshotId: a } };
    await here.operate(routes.fork, copies);
    await here.operate(routes.restoreLocal, { ...dev, body: { snapshotId: a, replace: true } });
    const [c = ''] = await snapshots(here, 1);
    assert.deepEqual(await prune(here, keepLast(1)), { [a]: 'running', [b]: '', [c]: 'last,current' });
    const { snapshot } = await here.operate(routes.vmSuspend, { ...dev, body: { message: '' } });
    const kept = await prune(here, keepLast(1));
    assert.deepEqual(kept, { [a]: '', [c]: '', [snapshot.id]: 'last,suspended' });
    assert.equal((await here.operate(routes.vmResume, dev)).state, 'running');
    await here.operate(routes.restoreLocal, { parameters: { vm: 'copy' }, body: { replace: true } });
  });
});

test('what it frees is told, is what the disk gets back, and doctor says what the rest takes', async () => {
  await withFakeHosts(async (start) => {
    const here = await start('a');
    await here.up();
    await snapshots(here, 3);
    const { blobDirectory } = here.daemon.supervisor.host.places;
    const blobs = async (): Promise<number> => (await readdir(blobDirectory)).length;
    const before = await blobs();
    const planned = await here.client.call(routes.snapshotPrune, { ...dev, body: keepLast(1, true) });
    const pruned = await here.client.call(routes.snapshotPrune, { ...dev, body: keepLast(1) });
    assert.equal(pruned.freedBytes, planned.freedBytes);
    assert.ok(pruned.freedBytes > 0);
    await eventually(async () => (await blobs()) < before, 'the blobs of what went are swept');
    const again = await here.client.call(routes.snapshotPrune, { ...dev, body: keepLast(1) });
    assert.equal(again.freedBytes, 0);
    const { findings } = await here.client.call(routes.doctor, { query: {} });
    const [found] = findings.filter(({ check }) => check === 'snapshots');
    assert.match(found?.text ?? '', /^\d.* are taken by 1 snapshot and nothing else; kelpie prune/);
  });
});

test('killed anywhere: what stays is whole, and what went is swept', async () => {
  const ending = new KelpieError('canceled', 'the test ends the daemon.');
  interface World {
    readonly hosts: FakeHosts;
    readonly vmId: string;
  }
  const pruned = async ({ host, registry }: Supervisor, vmId: string): Promise<void> => {
    await pruneSnapshots(host, registry, registry.require(vmId), { last: 1 }, false);
  };
  const kills = await forEachCrashPoint<World>({
    stride: 3,
    create: async () => {
      const hosts = await FakeHosts.create();
      const supervisor = await hosts.start('a');
      const vm = await hosts.bringUp(supervisor);
      const { host, registry } = supervisor;
      for (let at = 0; at < 3; at += 1)
        await supervisor.operate(vm.id, 'snapshot', () => takeSnapshot(host, registry, vm, '', quiet));
      await supervisor.end(ending);
      return { env: hosts.env, world: { hosts, vmId: vm.id }, close: () => hosts.close() };
    },
    act: async (env, { hosts, vmId }) => pruned(await hosts.start('a', {}, env), vmId),
    check: async (env, { hosts, vmId }) => {
      const supervisor = await hosts.start('a', {}, env);
      const { host, registry } = supervisor;
      const vm = registry.require(vmId);
      await supervisor.operate(vmId, 'prune', () => pruned(supervisor, vmId));
      const [only, ...more] = await host.snapshots.list(vmId);
      assert.deepEqual([only?.id, only?.damaged, more], [vm.record.snapshotId, false, []]);
      const request = { snapshotId: null, replace: true };
      await supervisor.operate(vmId, 'restore', () => restoreLocal(host, registry, vm, request, quiet));
      await supervisor.end(ending);
    },
  });
  assert.ok(kills > 5, `${kills} kills`);
});
