/** Processes of this machine, by what their command lines name: to find those that a host started, and those that it left behind. */
import { readdir, readFile } from 'node:fs/promises';
import { eventually } from './eventually.ts';

export interface HostProcess {
  readonly pid: number;
  readonly args: readonly string[];
}

/** Those that have the folder, or a file in it, on their command line. Zombies have none. */
export async function processesOf(directory: string): Promise<readonly HostProcess[]> {
  const found: HostProcess[] = [];
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
    const args = await commandLine(Number(name));
    if (args.some((arg) => arg === directory || arg.includes(`${directory}/`)))
      found.push({ pid: Number(name), args });
  }
  return found;
}

/** Ends what a failed test has left there. A daemon may start others while it is being ended. */
export async function killProcessesOf(directory: string): Promise<void> {
  await eventually(async () => {
    const found = await processesOf(directory);
    killAll(found);
    return found.length === 0;
  }, `processes in ${directory} are gone`);
}

/** `SIGKILL`. @returns whether there was one: what has ended by itself since it was looked for is none. */
export function killAll(processes: readonly HostProcess[]): boolean {
  let killed = false;
  for (const { pid } of processes) {
    try {
      process.kill(pid, 'SIGKILL');
      killed = true;
    } catch (error) {
      if (!isGone(error)) throw error;
    }
  }
  return killed;
}

export function isQemu({ args }: HostProcess): boolean {
  return args[0]?.includes('qemu-system') === true;
}

/** What is asked of a process says that it, or one of its threads, is no more. */
export function isGone(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH');
}

/** False for a zombie too: it runs no more. */
export async function isAlive(pid: number): Promise<boolean> {
  return (await commandLine(pid)).length > 0;
}

async function commandLine(pid: number): Promise<readonly string[]> {
  try {
    const text = await readFile(`/proc/${pid}/cmdline`, 'utf8');
    return text.split('\0').filter((arg) => arg !== '');
  } catch (error) {
    // It has ended between the listing and now.
    if (isGone(error)) return [];
    throw error;
  }
}
