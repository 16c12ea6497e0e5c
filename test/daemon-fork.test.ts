/** Copies of VMs through the API, over fake VMs: each is a VM of its own, what goes wrong is told, and the VM that they are of goes on. */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import test from 'node:test';
import { KelpieError } from '../src/base/errors.ts';
import { routes } from '../src/daemon/api/routes.ts';
import { dev, rejectsWith } from './support/daemon-calls.ts';
import { eventually } from './support/eventually.ts';
import { withFakeHosts } from './support/fake-daemon.ts';
import { memoryOf } from './support/fake-machines.ts';
import { counterPage } from './support/fake-vm-backend.ts';
import type { CallOptions } from '../src/cli/daemon-client.ts';
import type { Forked, Fork } from '../src/daemon/api/forks.ts';
import type { FakeDaemon } from './support/fake-daemon.ts';
import type { FakeHosts } from './support/fake-hosts.ts';
import type { FakeBackendOptions } from './support/fake-vm-backend.ts';

const COUNT = 4711;

/** What acts of VMs meet from now on. */
interface Trouble {
  onAct?: NonNullable<FakeBackendOptions['onAct']>;
}

/** A host with `dev`, which runs and has counted. */
async function withDev(
  act: (here: FakeDaemon, hosts: FakeHosts, options: Trouble) => Promise<void>,
): Promise<void> {
  await withFakeHosts(async (start, hosts) => {
    const options: Trouble = {};
    const here = await start('a', options);
    const { id } = await here.up();
    hosts.machines.only(id).pages.set(0, counterPage(COUNT));
    await act(here, hosts, options);
  });
}

function forkDev(
  { operate }: FakeDaemon,
  body: Partial<Fork> = {},
  more: Partial<CallOptions<Fork>> = {},
): Promise<Forked> {
  return operate(routes.fork, { ...dev, body: { count: 1, ...body }, ...more });
}

async function namesOf({ client }: FakeDaemon): Promise<readonly string[]> {
  return (await client.call(routes.vmList)).vms.map(({ name, state }) => `${name} ${state}`);
}

/** Of the host: nothing is under way, and nothing is left of what was. */
async function checkQuiet({ daemon }: FakeDaemon): Promise<void> {
  const { places } = daemon.supervisor.host;
  assert.deepEqual(await readdir(places.operationsDirectory), []);
  assert.deepEqual(daemon.supervisor.held, []);
  assert.equal(daemon.supervisor.operations, 0);
}

test('copies of a VM have its memory, other ids, and names and generations of their own', async () => {
  await withDev(async (here, hosts) => {
    const source = await here.view();
    const { vms, failed } = await forkDev(here, { count: 3 });
    assert.deepEqual(
      vms.map(({ name, state }) => [name, state]),
      [
        ['dev-1', 'running'],
        ['dev-2', 'running'],
        ['dev-3', 'running'],
      ],
    );
    assert.deepEqual(failed, []);
    assert.equal(new Set([source.id, ...vms.map(({ id }) => id)]).size, 4);
    const memory = memoryOf(hosts.machines.only(source.id));
    for (const { id, forkedFrom } of vms) {
      assert.deepEqual(forkedFrom, { vmId: source.id, vmName: 'dev' });
      const machine = hosts.machines.only(id);
      assert.equal(memoryOf(machine), memory);
      assert.equal(machine.generation, 1);
      assert.equal(machine.names?.hostname, (await here.view(id)).name);
    }
    const machineIds = vms.map(({ id }) => hosts.machines.only(id).names?.machineId);
    assert.equal(new Set(machineIds).size, 3);
    const mapped = await Promise.all(
      vms.map(
        async ({ id }) => (await here.client.call(routes.vmInspect, { parameters: { vm: id } })).files.memory,
      ),
    );
    assert.equal(new Set(mapped).size, 1, 'one file is the memory of all');

    assert.deepEqual(
      (await here.client.call(routes.snapshotLog, dev)).snapshots,
      [],
      'nothing of it is seen',
    );
    assert.equal((await here.view()).state, 'running');
    hosts.machines.only(vms[0]?.id ?? '').pages.set(0, counterPage(1));
    assert.equal(memoryOf(hosts.machines.only(source.id)), memory, 'they go apart');
    assert.deepEqual(
      (await forkDev(here, { count: 2 })).vms.map(({ name }) => name),
      ['dev-4', 'dev-5'],
    );
    await checkQuiet(here);
  });
});

test('a paused VM stays paused, its copy runs; a copy is forked, goes back to where it began, and leaves', async () => {
  await withDev(async (here, hosts) => {
    await here.client.call(routes.vmPause, dev);
    const [copy] = (await forkDev(here, { name: 'try' })).vms;
    assert.equal((await here.view()).state, 'paused');
    assert.equal(copy?.state, 'running');
    const parameters = { vm: 'try' };
    const names = hosts.machines.only(copy.id).names;
    await here.operate(routes.restoreLocal, { parameters, body: { replace: true } });
    assert.deepEqual(hosts.machines.only(copy.id).names, names, 'its memory is still that of the other');
    await here.operate(routes.snapshotCreate, { parameters, body: { message: '' } });
    await here.operate(routes.restoreLocal, { parameters, body: { replace: true } });
    assert.equal(hosts.machines.only(copy.id).names, null, 'in this one the guest has its own');
    await here.operate(routes.fork, { parameters, body: { count: 1 } });
    const body = { storeUrl: hosts.storeUrl, message: '', includeImage: true };
    const left = await here.operate(routes.teleport, { parameters, body });
    assert.equal(left.vmId, copy.id, 'under its own id, beside what the store has of others');
    assert.deepEqual(await namesOf(here), ['dev paused', 'try departed', 'try-1 running']);
  });
});

test('copies of a snapshot, whatever became of the VM, and of a package, wherever its VM is', async () => {
  await withFakeHosts(async (start, hosts) => {
    const a = await start('a');
    const { id } = await a.up();
    hosts.machines.only(id).pages.set(0, counterPage(COUNT));
    const memory = memoryOf(hosts.machines.only(id));
    const { snapshot } = await a.operate(routes.snapshotCreate, { ...dev, body: { message: 'then' } });
    hosts.machines.only(id).pages.set(0, counterPage(1));
    await a.client.call(routes.vmStop, { ...dev, body: { force: true } });
    const [old] = (await forkDev(a, { snapshotId: snapshot.id.slice(0, 8), name: 'old' })).vms;
    assert.equal(memoryOf(hosts.machines.only(old?.id ?? '')), memory);
    assert.deepEqual(await namesOf(a), ['dev stopped', 'old running']);

    const body = { storeUrl: hosts.storeUrl, message: '', includeImage: true };
    const { packageId } = await a.operate(routes.teleport, { parameters: { vm: 'old' }, body });
    const b = await start('b');
    for (const source of ['old', old?.id ?? '', packageId.slice(0, 12)]) {
      const made = await b.operate(routes.forkPackage, {
        body: { storeUrl: hosts.storeUrl, source, count: 2 },
      });
      assert.equal(made.vms.length, 2);
      for (const view of made.vms) {
        assert.equal(memoryOf(hosts.machines.only(view.id)), memory);
        assert.deepEqual(view.forkedFrom, { vmId: old?.id, vmName: 'old' });
      }
    }
    await rejectsWith(
      'vm_not_found',
      b.operate(routes.forkPackage, { body: { storeUrl: hosts.storeUrl, source: 'nobody', count: 1 } }),
    );
    await b.operate(routes.restoreFromStore, { body: { storeUrl: hosts.storeUrl, vm: 'old' } });
    assert.equal(memoryOf(hosts.machines.only(old?.id ?? '')), memory, 'the VM itself is claimed as ever');
    await checkQuiet(b);
  });
});

test('what cannot be forked is refused in a sentence, and nothing has changed', async () => {
  await withDev(async (here, hosts) => {
    await here.up('dev-1');
    const before = await namesOf(here);
    await rejectsWith('name_taken', forkDev(here, { name: 'dev-1' }));
    await rejectsWith('invalid_argument', forkDev(here, { count: 0 }));
    await rejectsWith('invalid_argument', forkDev(here, { count: 101 }));
    await rejectsWith('invalid_argument', forkDev(here, { name: 'x'.repeat(63), count: 2 }));
    await rejectsWith(
      'invalid_argument',
      forkDev(here, { count: 2, publish: [{ hostPort: 8080, guestPort: 80 }] }),
    );
    await rejectsWith('snapshot_not_found', forkDev(here, { snapshotId: 'ffffffff' }));
    const missing = { storeUrl: `${hosts.storeUrl}/none`, durationMs: 20_000 };
    await rejectsWith('store_unavailable', forkDev(here, { lease: missing }));
    assert.deepEqual(await namesOf(here), before);
    await here.client.call(routes.vmStop, { ...dev, body: { force: true } });
    await rejectsWith('invalid_state', forkDev(here));
    const body = { storeUrl: hosts.storeUrl, message: '', includeImage: true };
    await here.operate(routes.teleport, { parameters: { vm: 'dev-1' }, body });
    await rejectsWith(
      'vm_departed',
      here.operate(routes.fork, { parameters: { vm: 'dev-1' }, body: { count: 1 } }),
    );
    assert.deepEqual(await namesOf(here), ['dev stopped', 'dev-1 departed']);
    await checkQuiet(here);
  });
});

test('copies that cannot be started are removed and told; when none can be, there is none', async () => {
  await withDev(async (here, hosts, options) => {
    let restores = 0;
    options.onAct = async (act) => {
      if (act !== 'repair') return;
      restores += 1;
      if (restores === 2 || restores > 3)
        throw new KelpieError('guest_repair_failed', 'the guest did not answer.');
    };
    const { vms, failed } = await forkDev(here, { count: 3, name: 'some' });
    assert.equal(vms.length, 2);
    assert.deepEqual(
      failed.map(({ code, reason }) => [code, reason]),
      [['guest_repair_failed', 'the guest did not answer.']],
    );
    assert.equal((await namesOf(here)).length, 3);
    await rejectsWith('guest_repair_failed', forkDev(here, { count: 2, name: 'none' }));
    assert.equal((await namesOf(here)).length, 3);
    assert.equal(hosts.machines.all.length, 3);
    assert.equal((await here.view()).state, 'running');
    await checkQuiet(here);
  });
});

test('a fork that is canceled leaves no copy; the VM can be used as soon as its files are there', async () => {
  await withDev(async (here, hosts, options) => {
    const canceled = new AbortController();
    const waiting = Promise.withResolvers<void>();
    const reached = Promise.withResolvers<void>();
    let restores = 0;
    options.onAct = async (act) => {
      if (act !== 'restore') return;
      restores += 1;
      if (restores === 1) return;
      waiting.resolve();
      await reached.promise;
    };
    const forking = forkDev(here, { count: 3 }, { signal: canceled.signal });
    const isRefused = assert.rejects(forking);
    await waiting.promise;
    await here.operate(routes.snapshotCreate, { ...dev, body: { message: 'meanwhile' } });
    await rejectsWith(
      'vm_busy',
      here.client.call(routes.vmRemove, { parameters: { vm: 'dev-1' }, query: { force: true } }),
    );
    canceled.abort(new Error('Ctrl-C'));
    reached.resolve();
    await isRefused;
    await eventually(() => here.daemon.supervisor.operations === 0, 'it has found its way back');
    assert.deepEqual(await namesOf(here), ['dev running']);
    assert.equal(hosts.machines.all.length, 1);
    await checkQuiet(here);
  });
});

test('a VM is held by a lease from its creation on, and so are copies; one that fails leaves no claim', async () => {
  await withDev(async (here, hosts, options) => {
    const lease = { storeUrl: hosts.storeUrl, durationMs: 60_000 };
    const { ownership } = await here.daemon.supervisor.host.openStore(hosts.storeUrl);
    const create = (name: string, storeUrl = hosts.storeUrl): ReturnType<typeof here.operate> =>
      here.operate(routes.vmCreate, {
        body: { name, memoryMib: 128, diskMib: 64, lease: { ...lease, storeUrl } },
      });
    await create('held');
    const held = await here.view('held');
    assert.deepEqual(held.lease, { storeUrl: hosts.storeUrl, durationMs: 60_000, isPaused: false });
    const record = await ownership.read(held.id);
    assert.ok(record?.state === 'running' && record.epoch === 1 && record.lease?.durationMs === 60_000);
    await rejectsWith('store_unavailable', create('lost', `${hosts.storeUrl}-none`));
    const [copy] = (await forkDev(here, { lease })).vms;
    assert.deepEqual(copy?.lease, held.lease);
    assert.equal((await ownership.read(copy.id))?.state, 'running');

    options.onAct = async (act) => {
      if (act === 'start' || act === 'repair') throw new KelpieError('vm_start_failed', 'it did not start.');
    };
    await rejectsWith('vm_start_failed', create('failed'));
    await rejectsWith('vm_start_failed', forkDev(here, { lease, name: 'failed' }));
    delete options.onAct;
    const states = (await ownership.list()).map(({ state }) => state);
    assert.deepEqual(states.toSorted(), ['removed', 'removed', 'running', 'running']);
    assert.deepEqual(await namesOf(here), ['dev running', 'dev-1 running', 'held running']);

    const body = { storeUrl: hosts.storeUrl, message: '', includeImage: true };
    await here.operate(routes.teleport, { parameters: { vm: 'held' }, body });
    assert.equal((await ownership.read(held.id))?.state, 'at-rest');
    await here.client.call(routes.vmRemove, { parameters: { vm: 'dev-1' }, query: { force: true } });
    assert.equal((await ownership.read(copy.id))?.state, 'removed');
  });
});
