/** A Firecracker process and its API: started, caged or not, or found again. */
import { throwIfCanceled } from '../../base/cancel.ts';
import { KelpieError } from '../../base/errors.ts';
import type { Env } from '../../env/env.ts';
import type { ProcessIdentity } from '../../env/processes.ts';
import { isSettledWithin } from '../bounded.ts';
import { END_NOTICE_MS } from '../limits.ts';
import { logTail } from '../log-file.ts';
import { SupervisedProcess } from '../vmm-process.ts';
import type { ProcessHandle } from '../vmm-process.ts';
import { describeInstance } from './api/calls.ts';
import type { InstanceInfo } from './api/calls.ts';
import { FirecrackerApi, isUnserved } from './api/client.ts';
import type { CommandLine } from './command-line.ts';
import type { FirecrackerProcess } from './context.ts';
import { LAUNCH_RETRY_MS, LAUNCH_TIMEOUT_MS } from './limits.ts';
import type { ProcessPlaces } from './process-places.ts';

const NAME = 'Firecracker';

/**
 * Starts Firecracker so that it outlives us, and waits for its first answer.
 * @throws KelpieError `backend_unavailable` when the program is missing, `vm_start_failed` when it ends or does not answer,
 * `canceled`; then no process is left.
 */
export async function launchFirecracker(
  env: Env,
  { command, args }: CommandLine,
  places: ProcessPlaces,
  signal: AbortSignal | undefined,
): Promise<FirecrackerProcess> {
  throwIfCanceled(signal, 'starting the VM');
  let child: ProcessHandle;
  try {
    const output = { path: places.console };
    // A cage is its own working directory; outside of one, names are relative to the folder.
    child = await env.processes.spawn({ command, args, cwd: places.root, output, detached: true });
  } catch (error) {
    const message = `${command} cannot be started; \`kelpie doctor\` says what to install.`;
    throw new KelpieError('backend_unavailable', message, { cause: error });
  }
  const process = new SupervisedProcess(env.clock, child, NAME);
  const api = new FirecrackerApi(env, places.api);
  try {
    await firstAnswer(env, process, api, signal);
    return withApi(process, api);
  } catch (error) {
    await process.end();
    throwIfCanceled(signal, 'starting the VM');
    const said = await logTail(env, places.console);
    throw new KelpieError('vm_start_failed', `${command} did not start: ${said}.`, { cause: error });
  }
}

export interface FoundProcess {
  readonly process: FirecrackerProcess;
  readonly info: InstanceInfo;
}

/**
 * A process that another daemon started.
 * @returns null when it is gone. @throws KelpieError `vm_backend_failed` when it does not answer; it is left alone.
 */
export async function findFirecracker(
  env: Env,
  identity: ProcessIdentity,
  places: ProcessPlaces,
): Promise<FoundProcess | null> {
  const adopted = await env.processes.adopt(identity);
  if (adopted === null) return null;
  const process = new SupervisedProcess(env.clock, adopted, NAME);
  const api = new FirecrackerApi(env, places.api);
  try {
    const info = await firstAnswer(env, process, api, undefined);
    // What answers may be the last of a process that is ending.
    return (await env.processes.isAlive(identity)) ? { process: withApi(process, api), info } : null;
  } catch (error) {
    if (await isSettledWithin(env.clock, process.ended, END_NOTICE_MS)) return null;
    throw error;
  }
}

function withApi(process: SupervisedProcess, api: FirecrackerApi): FirecrackerProcess {
  const { identity, ended, hasEnded } = process;
  return { identity, ended, hasEnded, api, end: () => process.end() };
}

/** The socket appears some milliseconds after the start: asked again until it is there. */
async function firstAnswer(
  env: Env,
  process: SupervisedProcess,
  api: FirecrackerApi,
  signal: AbortSignal | undefined,
): Promise<InstanceInfo> {
  const deadlineMs = env.clock.monotonicMs() + LAUNCH_TIMEOUT_MS;
  for (;;) {
    try {
      return await describeInstance(api);
    } catch (error) {
      if (!isUnserved(error) || process.hasEnded() || env.clock.monotonicMs() > deadlineMs) throw error;
    }
    await env.clock.sleep(LAUNCH_RETRY_MS, signal);
  }
}
