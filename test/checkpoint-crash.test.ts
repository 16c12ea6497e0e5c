/** The daemon is killed while it takes or restores a checkpoint, and started again: the source runs on, and there is a whole checkpoint, or a whole VM, or none. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { KelpieError } from '../src/base/errors.ts';
import { CheckpointWorld } from './support/checkpoint-world.ts';
import { forEachCrashPoint } from './support/crash-points.ts';
import type { Supervisor } from '../src/daemon/supervisor.ts';
import type { ManagedVm } from '../src/teleport/managed-vm.ts';

/** The calls are those of any snapshot and any publish, which other suites go through one by one. */
const STRIDE = 7;
const ending = new KelpieError('canceled', 'the test ends the daemon.');

interface World {
  readonly world: CheckpointWorld;
  readonly vmId: string;
  readonly packageId: string;
}

async function createWorld(): Promise<World> {
  const world = await CheckpointWorld.create();
  await mkdir(world.workspace);
  await writeFile(join(world.workspace, 'file'), randomBytes(20_000));
  const supervisor = await world.start('a');
  const vm = await world.hosts.bringUp(supervisor);
  const { published } = await world.take(supervisor, vm, {}, { storeUrl: world.hosts.storeUrl });
  await writeFile(join(world.workspace, 'more'), randomBytes(20_000));
  await supervisor.end(ending);
  return { world, vmId: vm.id, packageId: published?.id ?? '' };
}

/** No journal entry, no damaged snapshot, no page file that nobody names, every package whole. */
async function checkWhole(supervisor: Supervisor, { world, vmId }: World): Promise<void> {
  const { host, registry } = supervisor;
  assert.equal(registry.byId(vmId)?.record.state, 'running', 'the source runs');
  assert.deepEqual(await readdir(host.places.operationsDirectory), []);
  await supervisor.end(ending);
  const named = new Set<string>();
  for (const vm of registry.all)
    for (const listing of await host.snapshots.list(vm.id)) {
      assert.ok(!listing.damaged);
      for (const id of listing.snapshot.memory.pageFiles) named.add(id);
    }
  const pageFiles = (await readdir(host.places.blobDirectory)).filter((name) => name.endsWith('.pages'));
  assert.deepEqual(
    pageFiles.filter((name) => !named.has(name.slice(0, 36))),
    [],
  );
  const { storage } = await host.openStore(world.hosts.storeUrl);
  for (const listing of await storage.list()) {
    assert.ok(!listing.damaged);
    const open = await storage.download(listing.package.id);
    for await (const _ of open.pages('memory'));
  }
}

async function killEverywhere(
  act: (supervisor: Supervisor, created: World) => Promise<unknown>,
  check: (vms: readonly ManagedVm[], isKilled: boolean) => void,
): Promise<number> {
  return forEachCrashPoint<World>({
    stride: STRIDE,
    create: async () => {
      const created = await createWorld();
      return {
        env: created.world.hosts.env,
        world: created,
        close: () => created.world[Symbol.asyncDispose](),
      };
    },
    act: async (env, created) => act(await created.world.start('a', env), created),
    check: async (env, created, killedAt) => {
      const supervisor = await created.world.start('a', env);
      check(supervisor.registry.all, killedAt !== null);
      await checkWhole(supervisor, created);
    },
  });
}

test('a checkpoint that is killed leaves the VM running, and no half of itself', async () => {
  const kills = await killEverywhere(
    (supervisor, { world, vmId }) =>
      supervisor.operate(vmId, 'checkpoint', () =>
        world.take(supervisor, supervisor.registry.require(vmId), {}, { storeUrl: world.hosts.storeUrl }),
      ),
    (vms) => assert.equal(vms.length, 1),
  );
  assert.ok(kills > 5, `${kills} kills`);
});

test('a restore of one that is killed leaves no VM, or the whole of it', async () => {
  const kills = await killEverywhere(
    (supervisor, { world, packageId }) => world.restore(supervisor, packageId),
    (vms, isKilled) => {
      const again = vms.find(({ name }) => name === 'again');
      if (!isKilled) assert.equal(again?.record.state, 'running');
    },
  );
  assert.ok(kills > 5, `${kills} kills`);
});
