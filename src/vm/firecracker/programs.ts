/** What a program says of itself: asked once, with a bound on time and size. */
import { concat, fromUtf8Lossy } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import { KelpieError } from '../../base/errors.ts';
import { withoutFullStop } from '../../base/sentence.ts';
import type { Env } from '../../env/env.ts';
import type { ExitStatus } from '../../env/processes.ts';
import { isSystemError } from '../../env/system-error.ts';
import { isSettledWithin } from '../bounded.ts';
import { ASK_OUTPUT_BYTES_MAX, ASK_TIMEOUT_MS } from './limits.ts';

export interface ProgramAnswer {
  readonly status: ExitStatus;
  readonly stdout: string;
  readonly stderr: string;
}

/** @throws KelpieError `backend_unavailable` when it cannot be started, `vm_backend_failed` when it does not end in time. */
export async function askProgram(
  env: Env,
  command: string,
  args: readonly string[],
  options: { readonly timeoutMs?: number; readonly cwd?: string } = {},
): Promise<ProgramAnswer> {
  const { timeoutMs = ASK_TIMEOUT_MS, cwd } = options;
  const child = await start(env, { command, args, ...(cwd === undefined ? {} : { cwd }) });
  try {
    const asked = Promise.all([child.wait(), collect(child.stdout), collect(child.stderr)]);
    // Unseen when the time is over first: the process is ended then, which ends it too.
    asked.catch(() => undefined);
    if (!(await isSettledWithin(env.clock, asked, timeoutMs)))
      throw new KelpieError('vm_backend_failed', `${command} did not end in ${timeoutMs / 1000} s.`);
    const [status, stdout, stderr] = await asked;
    return { status, stdout, stderr };
  } finally {
    child.kill('SIGKILL');
    await child.wait();
  }
}

export function hasSucceeded({ status }: ProgramAnswer): boolean {
  return 'code' in status && status.code === 0;
}

/** The first line of what a program complained about, for a sentence. */
export function complaintOf({ stdout, stderr }: ProgramAnswer): string {
  const line = `${stderr}\n${stdout}`.split('\n').find((text) => text.trim() !== '') ?? 'it said nothing';
  return withoutFullStop(line.trim());
}

async function start(
  env: Env,
  options: { readonly command: string; readonly args: readonly string[]; readonly cwd?: string },
): ReturnType<Env['processes']['spawn']> {
  try {
    return await env.processes.spawn({ ...options, output: 'capture' });
  } catch (error) {
    if (!isSystemError(error)) throw error;
    const message = `${options.command} cannot be started (${error.errno}).`;
    throw new KelpieError('backend_unavailable', message, { cause: error });
  }
}

/** What is too much is read and dropped, so that the program can end. */
async function collect(stream: AsyncIterable<Bytes>): Promise<string> {
  const parts: Bytes[] = [];
  let length = 0;
  for await (const part of stream) {
    if (length < ASK_OUTPUT_BYTES_MAX) parts.push(part);
    length += part.byteLength;
  }
  return fromUtf8Lossy(concat(parts));
}
