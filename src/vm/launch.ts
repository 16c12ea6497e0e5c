/** A VMM's process and the way to ask it: started, or found again. */
import { throwIfCanceled } from '../base/cancel.ts';
import { KelpieError } from '../base/errors.ts';
import type { Env } from '../env/env.ts';
import type { ProcessIdentity, SpawnOptions } from '../env/processes.ts';
import { isSettledWithin } from './bounded.ts';
import { END_NOTICE_MS, LAUNCH_RETRY_MS, LAUNCH_TIMEOUT_MS } from './limits.ts';
import { logTail } from './log-file.ts';
import { SupervisedProcess } from './vmm-process.ts';
import type { ProcessHandle } from './vmm-process.ts';

/** How one VMM is asked for the first time. */
export interface FirstAnswer<Answer> {
  /** The VMM's name, for sentences. */
  readonly name: string;
  /** One attempt. @param deadlineMs by the monotonic clock. */
  ask(deadlineMs: number, signal: AbortSignal | undefined): Promise<Answer>;
  /** True for the error of an attempt when nobody serves the socket: the process has not begun to, or has ended. */
  isUnserved(error: unknown): boolean;
}

export interface LaunchedVmm<Answer> {
  readonly process: SupervisedProcess;
  readonly answer: Answer;
}

/**
 * Starts a VMM so that it outlives us, and waits for its first answer.
 * @param program.log gets what it writes.
 * @throws KelpieError `backend_unavailable` when the program is missing, `vm_start_failed` when it ends or does not answer,
 * `canceled`; then no process is left.
 */
export async function launchVmm<Answer>(
  env: Env,
  program: Pick<SpawnOptions, 'command' | 'args' | 'cwd'> & { readonly log: string },
  first: FirstAnswer<Answer>,
  signal: AbortSignal | undefined,
): Promise<LaunchedVmm<Answer>> {
  const { log, ...started } = program;
  const { command } = program;
  throwIfCanceled(signal, 'starting the VM');
  let child: ProcessHandle;
  try {
    child = await env.processes.spawn({ ...started, output: { path: log }, detached: true });
  } catch (error) {
    const message = `${command} cannot be started; \`kelpie doctor\` says what to install.`;
    throw new KelpieError('backend_unavailable', message, { cause: error });
  }
  const process = new SupervisedProcess(env.clock, child, first.name);
  try {
    return { process, answer: await untilServed(env, process, first, signal) };
  } catch (error) {
    await process.end();
    throwIfCanceled(signal, 'starting the VM');
    const message = `${first.name} did not start: ${await logTail(env, log)}.`;
    throw new KelpieError('vm_start_failed', message, { cause: error });
  }
}

/**
 * A process that another daemon started.
 * @returns null when it is gone. @throws KelpieError `vm_backend_failed` when it does not answer; it is left alone.
 */
export async function findVmm<Answer>(
  env: Env,
  identity: ProcessIdentity,
  first: FirstAnswer<Answer>,
): Promise<LaunchedVmm<Answer> | null> {
  const adopted = await env.processes.adopt(identity);
  if (adopted === null) return null;
  const process = new SupervisedProcess(env.clock, adopted, first.name);
  try {
    return { process, answer: await untilServed(env, process, first, undefined) };
  } catch (error) {
    if (await isSettledWithin(env.clock, process.ended, END_NOTICE_MS)) return null;
    throw error;
  }
}

/** The socket appears some milliseconds after the start: asked again until it is there. */
async function untilServed<Answer>(
  { clock }: Pick<Env, 'clock'>,
  process: SupervisedProcess,
  first: FirstAnswer<Answer>,
  signal: AbortSignal | undefined,
): Promise<Answer> {
  const deadlineMs = clock.monotonicMs() + LAUNCH_TIMEOUT_MS;
  for (;;) {
    try {
      return await first.ask(deadlineMs, signal);
    } catch (error) {
      if (!first.isUnserved(error) || process.hasEnded() || clock.monotonicMs() > deadlineMs) throw error;
    }
    await clock.sleep(LAUNCH_RETRY_MS, signal);
  }
}
