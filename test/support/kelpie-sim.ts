/** `kelpie sim` as people call it, in a process of its own. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;

export interface SimOutcome {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface SimPlace {
  /** Where it is called. */
  readonly cwd?: string;
  readonly environment?: Readonly<Record<string, string>>;
}

export function kelpieSim(args: readonly string[], place: SimPlace = {}): Promise<SimOutcome> {
  const { cwd = root, environment = {} } = place;
  return new Promise((resolve) => {
    const env = { ...process.env, ...environment };
    const options = { cwd, env, maxBuffer: OUTPUT_BYTES_MAX };
    const child = execFile(join(root, 'bin/kelpie'), ['sim', ...args], options, (_, stdout, stderr) => {
      resolve({ exitCode: child.exitCode ?? -1, stdout, stderr });
    });
  });
}
