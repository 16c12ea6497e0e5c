/** What the binary under test says of itself on its command line. */
import { collectBytes, fromUtf8Lossy } from '../../src/base/bytes.ts';
import type { Bytes } from '../../src/base/bytes.ts';
import { MIB } from '../../src/base/units.ts';
import type { Env } from '../../src/env/env.ts';

/** What a program printed and how it ended. */
export interface Printed {
  readonly exitCode: number;
  readonly output: string;
}

/** @throws SystemError when it cannot be started. */
export async function printed(
  { processes }: Pick<Env, 'processes'>,
  program: string,
  args: readonly string[],
): Promise<Printed> {
  const child = await processes.spawn({ command: program, args, output: 'capture' });
  const [status, stdout, stderr] = await Promise.all([
    child.wait(),
    textOf(child.stdout),
    textOf(child.stderr),
  ]);
  if ('signal' in status) throw new Error(`${program} was ended by ${status.signal}`);
  return { exitCode: status.code, output: stdout + stderr };
}

async function textOf(stream: AsyncIterable<Bytes>): Promise<string> {
  return fromUtf8Lossy(await collectBytes(stream, MIB, () => new Error('a program that prints too much')));
}

/** `1.16.1`. @throws Error when the program does not say so. */
export async function versionOf(env: Pick<Env, 'processes'>, program: string): Promise<string> {
  const { output } = await printed(env, program, ['--version']);
  const [, version] = /v(\d+\.\d+\.\d+)/.exec(output) ?? [];
  if (version === undefined) throw new Error(`${program} --version does not say a version: ${output}`);
  return version;
}

/** Whether `version` is `1.minor` or newer. */
export function isAtLeast(version: string, minor: number): boolean {
  const [major = 0, ownMinor = 0] = version.split('.').map(Number);
  return major > 1 || (major === 1 && ownMinor >= minor);
}
