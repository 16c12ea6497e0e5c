/** `kelpie sim` as people call it, in a process of its own. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');

export interface SimOutcome {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** @param at the sources to run; absent: this project's. */
export function kelpieSim(args: readonly string[], at: string = root, cwd: string = at): Promise<SimOutcome> {
  return new Promise((resolve) => {
    const options = { cwd, maxBuffer: 64 * 1024 * 1024 };
    const child = execFile(join(at, 'bin/kelpie'), ['sim', ...args], options, (_, stdout, stderr) => {
      resolve({ exitCode: child.exitCode ?? -1, stdout, stderr });
    });
  });
}
