/** What the binary under test says of itself on its command line. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const ASK_TIMEOUT_MS = 30_000;
const run = promisify(execFile);

/** What a program printed and how it ended. */
export interface Printed {
  readonly exitCode: number;
  readonly output: string;
}

export async function printed(program: string, args: readonly string[]): Promise<Printed> {
  try {
    const { stdout, stderr } = await run(program, [...args], { timeout: ASK_TIMEOUT_MS });
    return { exitCode: 0, output: stdout + stderr };
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error)) throw error;
    if (typeof error.code === 'number') return { exitCode: error.code, output: error.message };
    throw new Error(`${program} cannot be run: ${error.message}`, { cause: error });
  }
}

/** `1.16.1`. @throws Error when the program does not say so. */
export async function versionOf(program: string): Promise<string> {
  const { output } = await printed(program, ['--version']);
  const [, version] = /v(\d+\.\d+\.\d+)/.exec(output) ?? [];
  if (version === undefined) throw new Error(`${program} --version does not say a version: ${output}`);
  return version;
}

/** Whether `version` is `1.minor` or newer. */
export function isAtLeast(version: string, minor: number): boolean {
  const [major = 0, ownMinor = 0] = version.split('.').map(Number);
  return major > 1 || (major === 1 && ownMinor >= minor);
}
