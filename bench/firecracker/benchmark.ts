/**
 * Our own share of what a person waits for with Firecracker: all but the time from its start to its first answer, and from each call of its interface
 * to the answer. Against the stand-in, whose own times say nothing; or against the program that `KELPIE_FIRECRACKER` names, of which the whole times are
 * told as well.
 */
import { join } from 'node:path';
import { createNodeEnv } from '../../src/env/node/env.ts';
import { createFirecrackerBackend } from '../../src/vm/firecracker/backend.ts';
import { VmWorld } from '../../test/support/vm-world.ts';
import type { TakenSnapshot, VmInWorld } from '../../test/support/vm-world.ts';
import type { BenchmarkOptions, Findings } from '../benchmark.ts';
import { rowOf } from '../rows.ts';
import { VmmTime } from './vmm-time.ts';

const standIn = join(import.meta.dirname, '../../test/firecracker-stand-in/firecracker');
const real = process.env['KELPIE_FIRECRACKER'] ?? null;
const MEMORY_MIB = 512;
const RESTORE_MS_MAX = 20;
const PAUSE_MS_MAX = 10;

interface Samples {
  readonly pause: number[];
  readonly diskCopy: number[];
  readonly restore: number[];
  /** With the VMM's time. */
  readonly whole: { readonly pause: number[]; readonly restore: number[] };
}

export async function firecrackerBenchmark({ runs }: BenchmarkOptions): Promise<Findings> {
  const time = new VmmTime(createNodeEnv());
  const world = await VmWorld.create(
    time.env,
    (env, cacheDirectory) => createFirecrackerBackend(env, { cacheDirectory, program: real ?? standIn }),
    { memoryMib: MEMORY_MIB, portability: 'host' },
  );
  const samples: Samples = {
    pause: [],
    diskCopy: [],
    restore: [],
    whole: { pause: [], restore: [] },
  };
  try {
    const booted = await world.boot();
    for (let run = 0; run < runs; run += 1) {
      const snapshot = await pausedOnce(world, time, booted, samples);
      await restoredOnce(world, time, snapshot, samples);
    }
  } finally {
    await world.close();
  }
  return {
    rows: [
      rowOf({
        name: `Firecracker, our share: pause of a snapshot, ${MEMORY_MIB} MiB`,
        unit: 'ms',
        samples: samples.pause,
        target: { of: 'ours', atMost: PAUSE_MS_MAX },
        note: 'without the copy of the disk',
      }),
      rowOf({
        name: 'Firecracker: copy of the disk inside the pause',
        unit: 'ms',
        samples: samples.diskCopy,
        note: 'nothing to speak of where the file system shares blocks',
      }),
      rowOf({
        name: `Firecracker, our share: restore, to the interface's last answer, ${MEMORY_MIB} MiB`,
        unit: 'ms',
        samples: samples.restore,
        target: { of: 'ours', atMost: RESTORE_MS_MAX },
      }),
      ...(real === null ? [] : wholeRows(samples)),
    ],
    peers: real === null ? [] : [real],
  };
}

/** Of a VMM whose own times say something. */
function wholeRows({ whole }: Samples): Findings['rows'] {
  return [
    rowOf({
      name: `Firecracker: pause of a snapshot, ${MEMORY_MIB} MiB`,
      unit: 'ms',
      samples: whole.pause,
      note: 'as the guest sees it, with the disk',
    }),
    rowOf({
      name: `Firecracker: restore, ${MEMORY_MIB} MiB`,
      unit: 'ms',
      samples: whole.restore,
      note: 'to a guest that is repaired and answers',
    }),
  ];
}

async function pausedOnce(
  world: VmWorld,
  time: VmmTime,
  vm: VmInWorld,
  { pause, diskCopy, whole }: Samples,
): Promise<TakenSnapshot> {
  time.forget();
  const snapshot = await world.snapshot(vm, { resume: true });
  const { copyMs, pauseMs } = snapshot.timings;
  whole.pause.push(pauseMs);
  pause.push(time.own(time.first('PATCH /vm').startMs, time.last('PATCH /vm').endMs) - copyMs);
  diskCopy.push(copyMs);
  return snapshot;
}

async function restoredOnce(
  world: VmWorld,
  time: VmmTime,
  snapshot: TakenSnapshot,
  { restore, whole }: Samples,
): Promise<void> {
  const request = await world.restoreRequest(snapshot);
  const { vm } = await world.make();
  time.forget();
  const startMs = performance.now();
  await vm.restore(request);
  whole.restore.push(performance.now() - startMs);
  restore.push(time.own(startMs, time.last('PATCH /vm').endMs));
  await vm.stop({ force: true });
}
