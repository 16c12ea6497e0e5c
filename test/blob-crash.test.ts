/**
 * An import that is killed, or refused by the system, at each call that it makes: there is the VM as it was exported, on this host or at rest in the
 * store, or there is nothing.
 */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import test from 'node:test';
import { concat } from '../src/base/bytes.ts';
import { KelpieError, asError, isKelpieError } from '../src/base/errors.ts';
import { SystemError } from '../src/env/system-error.ts';
import { encodeBlob } from '../src/snapshot/blob/write-blob.ts';
import { importBlob } from '../src/teleport/blob-import.ts';
import { snapshotBlobSource } from '../src/teleport/blob-source.ts';
import { depositBlob } from '../src/teleport/deposit.ts';
import { findSnapshot, restoreLocal } from '../src/teleport/restore-local.ts';
import { takeSnapshot } from '../src/teleport/take-snapshot.ts';
import { forEachCrashPoint } from './support/crash-points.ts';
import { FakeHosts, quiet } from './support/fake-hosts.ts';
import { faultyEnv } from './support/faulty-env.ts';
import { memoryOf } from './support/fake-machines.ts';
import { claimIn } from './support/fake-moves.ts';
import { eventually } from './support/eventually.ts';
import { streamOf } from './support/sample-package.ts';
import type { Bytes } from '../src/base/bytes.ts';
import type { Supervisor } from '../src/daemon/supervisor.ts';
import type { Env } from '../src/env/env.ts';

interface World {
  readonly hosts: FakeHosts;
  readonly blob: Bytes;
  readonly memory: string;
}

async function createWorld(): Promise<World> {
  const hosts = await FakeHosts.create();
  const source = await hosts.start('source');
  const dev = await hosts.bringUp(source);
  const { host, registry } = source;
  await source.operate(dev.id, 'snapshot', () => takeSnapshot(host, registry, dev, '', quiet));
  const [machine] = hosts.machines.ofVm(dev.id);
  assert.ok(machine !== undefined);
  const blob = await snapshotBlobSource(host, await findSnapshot(host, dev, null), quiet.signal);
  const parts: Bytes[] = [];
  for await (const chunk of encodeBlob(blob, 'stored', host.env.compute)) parts.push(chunk.slice());
  await hosts.start('target');
  await hosts.installImage('target');
  return { hosts, blob: concat(parts), memory: memoryOf(machine) };
}

async function take(supervisor: Supervisor, blob: Bytes): Promise<void> {
  const guard = {
    admit: async (): Promise<void> => Promise.resolve(),
    whileNamed: <T>(name: string, act: () => Promise<T>): Promise<T> =>
      supervisor.operate(`name:${name}`, 'import', act),
  };
  const request = { name: null, publish: null, withoutDisk: false };
  await supervisor.operate('import', 'import', () =>
    importBlob(supervisor.host, supervisor.registry, streamOf(blob, 4096), request, { ...quiet, guard }),
  );
}

async function ended(supervisor: Supervisor): Promise<void> {
  await supervisor.end(new KelpieError('canceled', 'the daemon ends.'));
}

/** @returns whether the VM is there. */
async function checkAllOrNothing({ hosts, blob, memory }: World, env: Env): Promise<boolean> {
  const supervisor = await hosts.start(
    'target',
    { onError: (fields) => assert.fail(String(fields['event'])) },
    env,
  );
  const { host, registry } = supervisor;
  const wasThere = registry.all.length === 1;
  if (!wasThere) {
    assert.deepEqual(await readdir(host.places.vmsDirectory), []);
    const blobs = async (): Promise<number> => (await readdir(host.places.blobDirectory)).length;
    await eventually(async () => (await blobs()) === 0, 'its blobs are swept');
    await take(supervisor, blob);
  }
  const vm = registry.require('dev');
  await supervisor.operate(vm.id, 'restore', () =>
    restoreLocal(host, registry, vm, { snapshotId: null, replace: false }, quiet),
  );
  const [machine] = hosts.machines.ofVm(vm.id);
  assert.ok(machine !== undefined);
  assert.equal(memoryOf(machine), memory);
  await ended(supervisor);
  return wasThere;
}

test('killed at each call', async () => {
  let whole = 0;
  const kills = await forEachCrashPoint<World>({
    create: async () => {
      const world = await createWorld();
      return { env: world.hosts.env, world, close: () => world.hosts.close() };
    },
    act: async (env, { hosts, blob }) => take(await hosts.start('target', {}, env), blob),
    check: async (env, world, killedAt) => {
      const isThere = await checkAllOrNothing(world, env);
      if (isThere) whole += 1;
      assert.ok(isThere || killedAt !== null, 'what was told to be done is there');
    },
  });
  assert.ok(kills > 30, `${kills} calls`);
  assert.ok(whole >= 1 && whole < kills);
});

async function deposit(supervisor: Supervisor, { hosts, blob }: World): Promise<void> {
  const { host } = supervisor;
  const vmId = host.env.random.uuid();
  const request = { name: null, publish: null, withoutDisk: false, storeUrl: hosts.storeUrl, vmId };
  await supervisor.operate(vmId, 'import', () => depositBlob(host, streamOf(blob, 4096), request, quiet));
}

/** After the daemon has started again, both are there or neither. @returns whether they are. */
async function checkDeposited(world: World, env: Env): Promise<boolean> {
  const { hosts, memory } = world;
  const onError = (fields: Readonly<Record<string, unknown>>): void => assert.fail(String(fields['event']));
  const supervisor = await hosts.start('target', { onError }, env);
  const { host } = supervisor;
  assert.deepEqual(await readdir(host.places.operationsDirectory), []);
  const { storage, ownership } = await host.openStore(hosts.storeUrl);
  const [packages, records] = [(await storage.list()).length, (await ownership.list()).length];
  assert.equal(packages, records);
  if (packages === 0) await deposit(supervisor, world);
  await ended(supervisor);
  const reader = await hosts.start('reader');
  const { vm } = await claimIn(reader, hosts.storeUrl);
  const [machine] = hosts.machines.ofVm(vm.id);
  assert.ok(machine !== undefined);
  assert.equal(memoryOf(machine), memory);
  await ended(reader);
  return packages === 1;
}

test('into a store, killed at calls', async () => {
  let whole = 0;
  const kills = await forEachCrashPoint<World>({
    // Each takes three daemons; those of the store's own files are gone through one by one in package-crash.test.ts.
    stride: 5,
    create: async () => {
      const world = await createWorld();
      return { env: world.hosts.env, world, close: () => world.hosts.close() };
    },
    act: async (env, world) => deposit(await world.hosts.start('target', {}, env), world),
    check: async (env, world, killedAt) => {
      const isThere = await checkDeposited(world, env);
      if (isThere) whole += 1;
      assert.ok(isThere || killedAt !== null, 'what was told to be done is there');
    },
  });
  assert.ok(kills > 10, `${kills} calls`);
  assert.ok(whole >= 2 && whole < kills, `${whole} of ${kills}`);
});

for (const errno of ['ENOSPC', 'EIO']) {
  test(`each call refused once with ${errno}`, async () => {
    for (let number = 1, isHit = true; isHit; number += 1) {
      const world = await createWorld();
      try {
        let calls = 0;
        let isArmed = false;
        isHit = false;
        const { env } = faultyEnv(world.hosts.env, {
          onCall: async ({ act, subject }) => {
            await Promise.resolve();
            if (!isArmed) return;
            calls += 1;
            if (calls !== number) return;
            isHit = true;
            throw new SystemError(errno, act, subject);
          },
        });
        const supervisor = await world.hosts.start('target', {}, env);
        isArmed = true;
        const outcome = await take(supervisor, world.blob).then(
          () => null,
          (error: unknown) => asError(error),
        );
        isArmed = false;
        await ended(supervisor);
        assert.ok(
          outcome === null || isKelpieError(outcome, 'disk_full', 'io_failed'),
          `call ${number}: ${outcome?.message}`,
        );
        const isThere = await checkAllOrNothing(world, world.hosts.env);
        assert.equal(isThere, outcome === null, `call ${number}`);
      } finally {
        await world.hosts.close();
      }
    }
  });
}
