/**
 * Fifty snapshots and restores in a row of a guest that works, each into a new process: at every one of them every byte of
 * the memory is what it was at the pause, and the guest's own checks of its memory and disk hold throughout.
 */
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createNodeEnv } from '../src/env/node/env.ts';
import { createQemuBackend } from '../src/vm/qemu/backend.ts';
import { IMAGE_BUILD_TIMEOUT_MS } from './support/base-image.ts';
import { restoreExactly } from './support/exact-restore.ts';
import { startWork, assertWorks } from './support/guest-work.ts';
import { VmWorld } from './support/vm-world.ts';
import type { VmInWorld } from './support/vm-world.ts';

const CYCLES = 50;
const MEMORY_MIB = 256;
const WORK_BETWEEN_MS = 100;
const TIMEOUT_MS = 200_000;

test('fifty cycles are exact to the byte', { timeout: IMAGE_BUILD_TIMEOUT_MS + TIMEOUT_MS }, async () => {
  const createBackend = (env: Parameters<typeof createQemuBackend>[0], cacheDirectory: string) =>
    createQemuBackend(env, { cacheDirectory });
  const world = await VmWorld.create(createNodeEnv(), createBackend, { memoryMib: MEMORY_MIB });
  try {
    let current = await world.boot();
    await startWork(world, current);
    for (let cycle = 1; cycle <= CYCLES; cycle += 1) {
      current = await cycleOnce(world, current);
      await delay(WORK_BETWEEN_MS);
      if (cycle % 10 === 0) await assertWorks(world, current);
    }
    assert.equal((await (await current.vm.agent()).health()).generation, CYCLES);
  } finally {
    await world.close();
  }
});

async function cycleOnce(world: VmWorld, source: VmInWorld): Promise<VmInWorld> {
  const { copy } = await restoreExactly(world, source);
  const mapped = source.vm.runtime?.memory?.mappable;
  await source.vm.stop({ force: true });
  if (mapped !== undefined && mapped !== null) await rm(join(world.blobDirectory, `${mapped}.pages`));
  return copy;
}
