/** What a host finds of things that were cut, and repairs. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import test from 'node:test';
import { KelpieError } from '../src/base/errors.ts';
import { createApp } from '../src/daemon/app.ts';
import { examineLeftovers, repairLeftovers } from '../src/daemon/leftovers.ts';
import { stopVm } from '../src/teleport/lifecycle.ts';
import { FakeHosts } from './support/fake-hosts.ts';
import type { Supervisor } from '../src/daemon/supervisor.ts';

const PACKAGE_ID = 'cd'.repeat(32);

async function withHost(use: (hosts: FakeHosts, a: Supervisor) => Promise<void>): Promise<void> {
  const hosts = await FakeHosts.create();
  const a = await hosts.start('a');
  try {
    await mkdir(a.host.places.temporaryDirectory, { recursive: true });
    await use(hosts, a);
  } finally {
    await a.end(ended());
    await hosts.close();
  }
}

function ended(): KelpieError {
  return new KelpieError('canceled', 'the daemon ends.');
}

async function texts(findings: Promise<readonly { readonly text: string }[]>): Promise<string> {
  return (await findings).map(({ text }) => text).join('\n');
}

test('nothing is found where nothing was left, and a VM that runs is not touched', async () => {
  await withHost(async (hosts, a) => {
    const vm = await hosts.bringUp(a);
    const stopped = await hosts.bringUp(a, 'stopped');
    await stopVm(a.host, a.registry, stopped, true);
    assert.equal(await texts(examineLeftovers(a)), 'Nothing was left behind.');
    assert.equal(await texts(repairLeftovers(a)), 'Nothing was left behind.');
    assert.equal(hosts.machines.ofVm(vm.id).length, 1);
  });
});

test('a machine that runs for no VM, and temporary files, are found, and then ended and removed', async () => {
  await withHost(async (hosts, a) => {
    const { places } = a.host;
    const directory = `${places.runsDirectory}/0123456789ab`;
    await mkdir(directory);
    const machine = { vmId: 'x', runDirectory: directory, state: 'running', generation: 0 } as const;
    hosts.machines.start({ ...machine, pages: new Map(), disk: [] });
    const left = `${places.temporaryDirectory}/half`;
    await writeFile(left, 'x');

    const found = await texts(examineLeftovers(a));
    assert.ok(found.includes(directory) && found.includes(left), found);
    assert.equal(hosts.machines.all.length, 1, 'looking changes nothing');
    const told = await texts(repairLeftovers(a));
    assert.match(told, /ended and removed/);
    assert.match(told, /Nothing was left behind/);
    assert.deepEqual(hosts.machines.all, []);
    assert.ok(!existsSync(directory) && !existsSync(left));
  });
});

/** A teleport whose commit the store did not answer: its VM stays paused, and nobody knows. The store is away. */
async function cutCommit(hosts: FakeHosts, before: Supervisor): Promise<{ a: Supervisor; vmId: string }> {
  const vm = await hosts.bringUp(before);
  await vm.requireLive('pause').pause();
  const { host } = before;
  const { storeUrl } = hosts;
  const { ownership } = await host.openStore(storeUrl);
  await ownership.compareAndSwap(0, {
    ...{ state: 'departing', owner: host.identity.id, packageId: PACKAGE_ID, lease: null },
    ...{ vmId: vm.id, vmName: 'dev', epoch: 0, revision: 1, changedAtUnixMs: 1, hostName: 'a' },
  });
  const cut = { kind: 'teleport', step: 'committing', storeUrl, packageId: PACKAGE_ID } as const;
  const ids = { id: host.env.random.uuid(), snapshotId: host.env.random.uuid(), vmId: vm.id, vmName: 'dev' };
  await host.journal.begin({ ...cut, ...ids, startedAtUnixMs: 1, wasRunning: true, commitEpoch: 1 });
  await before.end(ended());
  await rename(storeUrl, `${storeUrl}-away`);
  return { a: await hosts.start('a'), vmId: vm.id };
}

test('an operation that waits for its store is told with why, and settled as soon as the store answers', async () => {
  await withHost(async (hosts, before) => {
    const { a, vmId } = await cutCommit(hosts, before);
    assert.match(await texts(examineLeftovers(a)), /A teleport of "dev" was cut/);
    const still = await texts(repairLeftovers(a));
    assert.match(still, /A teleport of "dev" was cut and is not settled: there is no store at/);
    assert.equal(a.registry.byId(vmId)?.record.state, 'paused');
    await rename(`${hosts.storeUrl}-away`, hosts.storeUrl);
    const told = await texts(repairLeftovers(a));
    assert.match(told, /1 thing that was cut is settled now/);
    assert.equal(a.registry.byId(vmId)?.record.state, 'running');
    await a.end(ended());
  });
});

test('a VM whose operation waits for a store that never comes back can be removed by force', async () => {
  await withHost(async (hosts, before) => {
    const { a, vmId } = await cutCommit(hosts, before);
    const remove = (query: string): Promise<Response> =>
      createApp(a, () => undefined)(new Request(`http://kelpied/v1/vms/dev${query}`, { method: 'DELETE' }));
    assert.equal((await remove('')).status, 409);
    assert.equal((await remove('?force=true')).status, 200);
    assert.equal(a.registry.byId(vmId), undefined);
    assert.deepEqual(hosts.machines.ofVm(vmId), []);
    assert.deepEqual((await a.host.journal.readAll()).entries, []);
    assert.equal(await texts(examineLeftovers(a)), 'Nothing was left behind.');
    await a.end(ended());
  });
});
