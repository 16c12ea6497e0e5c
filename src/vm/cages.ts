/**
 * Cages that VMs' processes are locked into, in the VMs' run directories: `RUN/jail/PROGRAM/NAME/root` is the whole world of a process. It sees
 * nothing of the host's paths, so what is found of it is the cage's name on its command line.
 */
import type { Files } from '../env/files.ts';
import { listIfThere } from '../env/list-if-there.ts';

/** Where in a run directory cages are. */
export function jailBase(runDirectory: string): string {
  return `${runDirectory}/jail`;
}

export interface Cage {
  /** Of the program that was to be locked in. */
  readonly execName: string;
  readonly name: string;
}

/** Those that are in a run directory. */
export async function listCages(files: Files, runDirectory: string): Promise<readonly Cage[]> {
  const base = jailBase(runDirectory);
  const cages: Cage[] = [];
  for (const execName of await listIfThere(files, base))
    for (const name of await listIfThere(files, `${base}/${execName}`)) cages.push({ execName, name });
  return cages;
}

/** Whether a process with these words is in one of the cages, or is about to be: `--id=NAME`, or a word after `--id`. */
export function isCaged(args: readonly string[], cages: readonly Cage[]): boolean {
  return cages.some(({ name }) =>
    args.some((arg, index) => arg === `--id=${name}` || (arg === name && args[index - 1] === '--id')),
  );
}
