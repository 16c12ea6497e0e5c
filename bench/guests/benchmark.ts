/**
 * What guests of both architectures take of a host, each against its own boot: one that is emulated on a host of the other architecture is slower in
 * all of it, and what matters is whether a snapshot, a command and a restore are still as cheap beside a boot.
 */
import { createNodeEnv } from '../../src/env/node/env.ts';
import type { Architecture } from '../../src/snapshot/metadata.ts';
import { createQemuBackend } from '../../src/vm/qemu/backend.ts';
import { startWork } from '../../test/support/guest-work.ts';
import { VmWorld } from '../../test/support/vm-world.ts';
import type { VmInWorld } from '../../test/support/vm-world.ts';
import type { BenchmarkOptions, Findings } from '../benchmark.ts';
import { rowOf } from '../rows.ts';
import type { Row } from '../rows.ts';
import { timed } from '../timed.ts';

const guests: readonly Architecture[] = ['x86_64', 'arm64'];
const MEMORY_MIB = 512;

interface Samples {
  readonly boot: number[];
  readonly exec: number[];
  readonly pause: number[];
  readonly restore: number[];
}

export async function guestsBenchmark({ runs }: BenchmarkOptions): Promise<Findings> {
  const worlds: { readonly guest: Architecture; readonly world: VmWorld; readonly samples: Samples }[] = [];
  try {
    for (const guest of guests) {
      const world = await VmWorld.create(
        createNodeEnv(),
        (env, cacheDirectory) => createQemuBackend(env, { cacheDirectory }),
        { architecture: guest, memoryMib: MEMORY_MIB },
      );
      worlds.push({ guest, world, samples: { boot: [], exec: [], pause: [], restore: [] } });
    }
    // By turns, so that a busy machine slows all of them alike.
    for (let run = 0; run < runs; run += 1)
      for (const { world, samples } of worlds) await measure(world, samples);
  } finally {
    for (const { world } of worlds) await world.close();
  }
  return { rows: worlds.flatMap(({ guest, samples }) => toRows(guest, samples)), peers: [] };
}

async function measure(world: VmWorld, { boot, exec, pause, restore }: Samples): Promise<void> {
  const vm = await world.make();
  boot.push((await timed(() => vm.vm.start({ disk: [] }))).durationMs);
  await startWork(world, vm);
  exec.push((await timed(() => answer(world, vm))).durationMs);
  const snapshot = await world.snapshot(vm, { resume: true });
  pause.push(snapshot.timings.pauseMs);
  await vm.vm.stop({ force: true });
  const request = await world.restoreRequest(snapshot);
  const copy = await world.make();
  const { durationMs } = await timed(async () => {
    await copy.vm.restore(request);
    await answer(world, copy);
  });
  restore.push(durationMs);
  await copy.vm.stop({ force: true });
}

async function answer(world: VmWorld, vm: VmInWorld): Promise<void> {
  await world.run(vm, 'true');
}

function toRows(guest: Architecture, { boot, exec, pause, restore }: Samples): readonly Row[] {
  const row = (what: string, samples: readonly number[]): Row =>
    rowOf({ name: `${guest}: ${what}`, unit: 'ms', samples, reference: boot });
  return [
    rowOf({ name: `${guest}: boot, until its agent answers`, unit: 'ms', samples: boot }),
    row('a command, against the boot', exec),
    row('pause of a first snapshot', pause),
    row('restore to first exec answered', restore),
  ];
}
