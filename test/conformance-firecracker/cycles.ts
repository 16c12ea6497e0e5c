/** Starts and stops a machine many times over, and looks for what is left of it. */
import { readdir, readFile, readlink } from 'node:fs/promises';
import { eventually } from '../support/eventually.ts';
import { World } from './case.ts';
import type { Suite } from './case.ts';
import { start } from './machine.ts';
import type { SuiteOptions } from './options.ts';
import { openSuite } from './run.ts';

const PROGRESS_EVERY = 100;
/** What the kernel takes to forget a process that was killed, on a busy machine. */
const GONE_TIMEOUT_MS = 30_000;

/** @throws Error when a cycle leaves something behind. */
export async function runCycles(options: SuiteOptions, version: string, cycles: number): Promise<void> {
  const suite = openSuite(options, version);
  // The first one may open what stays open for all: pipes of the runtime.
  await cycle(suite);
  const before = await openDescriptors();
  const startMs = performance.now();
  for (let done = 1; done <= cycles; done += 1) {
    await cycle(suite);
    if (done % PROGRESS_EVERY === 0) console.log(`${done} cycles`);
  }
  const ms = (performance.now() - startMs) / cycles;
  const after = await openDescriptors();
  if (after > before) throw new Error(`${after - before} descriptors were left open by ${cycles} cycles`);
  console.log(`${cycles} cycles, ${ms.toFixed(0)} ms each: no process, socket, mount or descriptor is left`);
}

/** Ends a machine that runs, and looks for whatever still knows its folder. */
async function cycle(suite: Suite): Promise<void> {
  const world = await World.open(suite);
  try {
    const one = await world.launch();
    await start(world, one);
    await one.kill();
    let left: readonly string[] = [];
    const isGone = async (): Promise<boolean> => {
      left = await leftovers(world.folder);
      return left.length === 0;
    };
    await eventually(isGone, 'nothing is left behind:', () => left.join('; '), GONE_TIMEOUT_MS);
  } finally {
    await world.close();
  }
}

/** Processes that are in a folder, sockets that are bound in it, and mounts below it: of the whole host. */
async function leftovers(folder: string): Promise<readonly string[]> {
  const tables = ['/proc/net/unix', '/proc/self/mounts'].map(async (path) => {
    const lines = (await readFile(path, 'utf8')).split('\n');
    return lines.filter((line) => line.includes(folder));
  });
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const processes = pids.map(async (pid) => {
    const place = await workingDirectory(pid);
    return place?.startsWith(folder) === true ? [`process ${pid}`] : [];
  });
  return (await Promise.all([...tables, ...processes])).flat();
}

/** Null when the process is gone, or is not ours to look at. */
async function workingDirectory(pid: string): Promise<string | null> {
  try {
    return await readlink(`/proc/${pid}/cwd`);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : '';
    if (code === 'ENOENT' || code === 'ESRCH' || code === 'EACCES') return null;
    throw error;
  }
}

async function openDescriptors(): Promise<number> {
  return (await readdir('/proc/self/fd')).length;
}
