/** A teleport or a restore that is canceled as each phase begins: before the point of no return the VM is where it was, after it where it was to go. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { isKelpieError, KelpieError } from '../src/base/errors.ts';
import { TeleportIn } from '../src/teleport/target.ts';
import { TeleportOut } from '../src/teleport/source.ts';
import { FakeHosts, quiet } from './support/fake-hosts.ts';
import type { Supervisor } from '../src/daemon/supervisor.ts';
import type { ManagedVm } from '../src/teleport/managed-vm.ts';
import type { OperationOptions } from '../src/teleport/source.ts';

/** Canceled in the very moment that the phase begins. */
function canceledAt(phase: string): OperationOptions {
  const canceled = new AbortController();
  return {
    signal: canceled.signal,
    listener: {
      progress: (told) => {
        if (told === phase) canceled.abort(new KelpieError('canceled', 'canceled by the test.'));
      },
      notice: () => undefined,
    },
  };
}

async function teleport(
  { host }: Supervisor,
  vm: ManagedVm,
  { storeUrl }: FakeHosts,
  options: OperationOptions,
): Promise<unknown> {
  return new TeleportOut(host, vm, { storeUrl, message: '', includeImage: true }, options).run();
}

async function claim(
  supervisor: Supervisor,
  { storeUrl }: FakeHosts,
  options: OperationOptions,
): Promise<unknown> {
  const { host, registry } = supervisor;
  const guard = {
    whileLocked: <T>(vmId: string, act: () => Promise<T>): Promise<T> =>
      supervisor.operate(vmId, 'restore', act),
    admit: async () => undefined,
  };
  const request = { storeUrl, vm: 'dev', packageId: null, name: null, publish: null, leaseMs: null };
  return new TeleportIn(host, registry, request, guard, options).run();
}

async function withHosts(
  act: (hosts: FakeHosts, a: Supervisor, vm: ManagedVm) => Promise<void>,
): Promise<void> {
  const hosts = await FakeHosts.create();
  const a = await hosts.start('a');
  try {
    await act(hosts, a, await hosts.bringUp(a));
  } finally {
    await a.end(new KelpieError('canceled', 'the daemon ends.'));
    await hosts.close();
  }
}

const isCanceled = (error: unknown): boolean => isKelpieError(error, 'canceled');

for (const phase of ['check', 'image', 'capture', 'publish', 'announce']) {
  test(`a teleport that is canceled at ${phase} leaves the VM running, with no trace`, async () => {
    await withHosts(async (hosts, a, vm) => {
      await assert.rejects(teleport(a, vm, hosts, canceledAt(phase)), isCanceled);
      assert.equal(vm.record.state, 'running');
      assert.equal(hosts.machines.ofVm(vm.id)[0]?.state, 'running');
      assert.deepEqual(await a.host.snapshots.ids(vm.id), []);
      const { entries } = await a.host.journal.readAll();
      assert.deepEqual(entries, []);
      await teleport(a, vm, hosts, quiet);
      assert.deepEqual(hosts.machines.all, []);
    });
  });
}

test('a teleport that is canceled at commit is done', async () => {
  await withHosts(async (hosts, a, vm) => {
    await teleport(a, vm, hosts, canceledAt('commit'));
    assert.notEqual(vm.record.departed, null);
    assert.deepEqual(hosts.machines.all, []);
  });
});

for (const phase of ['check', 'image', 'download', 'claim']) {
  test(`a restore that is canceled at ${phase} leaves the VM at rest`, async () => {
    await withHosts(async (hosts, a, vm) => {
      await teleport(a, vm, hosts, quiet);
      const b = await hosts.start('b');
      await assert.rejects(claim(b, hosts, canceledAt(phase)), isCanceled);
      assert.deepEqual([b.registry.all, hosts.machines.all], [[], []]);
      const record = await (await a.host.openStore(hosts.storeUrl)).ownership.read(vm.id);
      assert.equal(record?.state, 'at-rest');
      await claim(b, hosts, quiet);
      assert.equal(hosts.machines.all.length, 1);
      await b.end(new KelpieError('canceled', 'the daemon ends.'));
    });
  });
}
