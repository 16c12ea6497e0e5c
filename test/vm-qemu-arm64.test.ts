/** What of the contract of `VmInstance` depends on the guest's architecture, with an arm64 guest: `vm-qemu.test.ts` has all of it, with an x86_64 one. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createNodeEnv } from '../src/env/node/env.ts';
import { createQemuBackend } from '../src/vm/qemu/backend.ts';
import { IMAGE_BUILD_TIMEOUT_MS } from './support/base-image.ts';
import { restoreExactly } from './support/exact-restore.ts';
import { assertWorks, startWork, workPid } from './support/guest-work.ts';
import { VmWorld } from './support/vm-world.ts';
import type { TakenSnapshot, VmInWorld } from './support/vm-world.ts';

const SUITE_TIMEOUT_MS = 240_000;

describe('qemu: an arm64 VM', { timeout: IMAGE_BUILD_TIMEOUT_MS + SUITE_TIMEOUT_MS }, () => {
  let world: VmWorld;
  let booted: VmInWorld;
  let copy: VmInWorld;
  let snapshot: TakenSnapshot;

  before(async () => {
    world = await VmWorld.create(
      createNodeEnv(),
      (env, cacheDirectory) => createQemuBackend(env, { cacheDirectory }),
      { architecture: 'arm64', memoryMib: 256 },
    );
    booted = await world.boot();
    await startWork(world, booted);
  });
  after(async () => await world.close());

  test('boots on a machine that other hosts have, and runs commands', async () => {
    assert.equal(await world.run(booted, 'uname -m'), 'aarch64');
    const { machineType, cpuModel, accelerator } = booted.vm.runtime?.machine ?? assert.fail('it runs');
    assert.match(machineType, /^virt-\d+\.\d+$/);
    assert.deepEqual([cpuModel, accelerator], ['cortex-a72', 'tcg']);
  });

  test('goes on in a copy where it was, with every byte of its memory', async () => {
    ({ copy, snapshot } = await restoreExactly(world, booted));
    const { generation } = await (await copy.vm.agent()).health();
    assert.equal(generation, snapshot.guest.generation + 1);
    await booted.vm.resume();
    assert.equal(await workPid(world, copy), await workPid(world, booted));
    await assertWorks(world, copy);
    await assertWorks(world, booted);
  });

  test('that was restored is snapshotted while it works, and restored again', async () => {
    const taken = await world.snapshot(copy, { resume: true });
    await assertWorks(world, copy);
    await copy.vm.stop({ force: true });
    assert.deepEqual(await world.leftovers(copy), []);
    const later = await world.restore(taken);
    // The worker checks every file that it finds against its memory, and ends when one differs.
    await world.run(later, 'sync; echo 3 > /proc/sys/vm/drop_caches');
    await assertWorks(world, later);
    await later.vm.stop({ force: true });
  });

  test('is stopped in order, and boots from its disk', async () => {
    await world.run(booted, 'echo kept > /root/kept');
    const disk = booted.vm.runtime?.disk ?? [];
    await booted.vm.stop();
    assert.deepEqual(await world.leftovers(booted), []);
    await booted.vm.start({ disk });
    assert.equal(await world.run(booted, 'cat /root/kept'), 'kept');
    await booted.vm.stop({ force: true });
  });
});
