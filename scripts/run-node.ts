import { spawn } from 'node:child_process';
import { join } from 'node:path';

export const root: string = join(import.meta.dirname, '..');

export interface Outcome {
  readonly exitCode: number;
  /** Of both streams, as they came. */
  readonly output: string;
}

export interface NodeRun {
  readonly args: readonly string[];
  /** Passed on as it comes, beside being kept. */
  readonly isShown: boolean;
  /** Runs only when nothing else wants the machine. */
  readonly isPatient?: boolean;
}

/** How much a patient process stands back (`nice`). */
const PATIENCE = 10;

/** Runs the project's Node in its root. */
export function runNode({ args, isShown, isPatient = false }: NodeRun): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    // Test files load the same modules again and again: 0.1 s each without the cache.
    const env = { ...process.env, NODE_COMPILE_CACHE: join(root, '.cache/compiled') };
    const [command = '', ...rest] = [
      ...(isPatient ? ['nice', '-n', String(PATIENCE)] : []),
      process.execPath,
      ...args,
    ];
    const child = spawn(command, rest, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const [from, to] of [
      [child.stdout, process.stdout],
      [child.stderr, process.stderr],
    ] as const) {
      from.setEncoding('utf8').on('data', (chunk: string) => {
        output += chunk;
        if (isShown) to.write(chunk);
      });
    }
    child.on('error', reject);
    child.on('close', (code) => {
      resolve({ exitCode: code ?? 1, output });
    });
  });
}
