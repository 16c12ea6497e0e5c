import assert from 'node:assert/strict';
import { MIB } from '../../src/base/units.ts';
import { assertSameMemory, memoryOfProcess } from './guest-memory.ts';
import type { TakenSnapshot, VmInWorld, VmWorld } from './vm-world.ts';

/**
 * A copy of a VM, which stays paused. Before the copy's first instruction every byte of its memory is what the VM's is.
 * @throws AssertionError with the first page that differs.
 */
export async function restoreExactly(
  world: VmWorld,
  source: VmInWorld,
): Promise<{ readonly copy: VmInWorld; readonly snapshot: TakenSnapshot }> {
  const memoryBytes = world.config.memoryMib * MIB;
  const snapshot = await world.snapshot(source, { resume: false });
  const copy = await world.make();
  const request = await world.restoreRequest(snapshot);
  let isCompared = false;
  await copy.vm.restore({
    ...request,
    beforeResume: async () => {
      const memoryOf = ({ places }: VmInWorld): ReturnType<typeof memoryOfProcess> =>
        memoryOfProcess(places.runDirectory, memoryBytes);
      assertSameMemory(memoryOf(source), memoryOf(copy), memoryBytes);
      isCompared = true;
      return Promise.resolve();
    },
  });
  assert.ok(isCompared);
  return { copy, snapshot };
}
