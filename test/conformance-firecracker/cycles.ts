/** Starts and stops a machine many times over, and looks for what is left of it. */
import { readdir, readFile } from 'node:fs/promises';
import { World } from './case.ts';
import type { Suite } from './case.ts';
import { start } from './machine.ts';
import type { SuiteOptions } from './options.ts';
import { openSuite } from './run.ts';
import { descendants } from './under-test.ts';

const PROGRESS_EVERY = 100;

/** What may be left behind. */
interface Traces {
  readonly processes: number;
  readonly descriptors: number;
  readonly mounts: number;
  readonly networkDevices: number;
}

/** @returns whether nothing is left. */
export async function runCycles(options: SuiteOptions, version: string, cycles: number): Promise<boolean> {
  const suite = openSuite(options, version);
  // The first one may open what stays open for all: pipes of the runtime, a loaded module.
  await cycle(suite);
  const before = await traces();
  const startMs = performance.now();
  for (let done = 1; done <= cycles; done += 1) {
    await cycle(suite);
    if (done % PROGRESS_EVERY === 0) console.log(`${done} cycles`);
  }
  const after = await traces();
  const ms = (performance.now() - startMs) / cycles;
  console.log(`${cycles} cycles, ${ms.toFixed(0)} ms each; before ${told(before)}; after ${told(after)}`);
  return told(before) === told(after);
}

async function cycle(suite: Suite): Promise<void> {
  const world = await World.open(suite);
  try {
    const one = await world.launch();
    await start(world, one);
    await one.kill();
  } finally {
    await world.close();
  }
}

async function traces(): Promise<Traces> {
  return {
    processes: descendants(process.pid).length,
    descriptors: (await readdir('/proc/self/fd')).length,
    mounts: (await readFile('/proc/self/mounts', 'utf8')).split('\n').length,
    networkDevices: (await readdir('/sys/class/net')).length,
  };
}

function told({ processes, descriptors, mounts, networkDevices }: Traces): string {
  return `${processes} processes, ${descriptors} descriptors, ${mounts} mounts, ${networkDevices} network devices`;
}
