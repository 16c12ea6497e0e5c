/** A QEMU process and its control connection: started or found again. */
import { KelpieError } from '../../base/errors.ts';
import { throwIfCanceled } from '../../base/cancel.ts';
import type { Env } from '../../env/env.ts';
import type { ProcessIdentity } from '../../env/processes.ts';
import { isSystemError } from '../../env/system-error.ts';
import { isSettledWithin } from '../bounded.ts';
import { END_NOTICE_MS } from '../limits.ts';
import { logTail } from '../log-file.ts';
import { SupervisedProcess } from '../vmm-process.ts';
import type { ProcessHandle, VmmProcess } from '../vmm-process.ts';
import { LAUNCH_RETRY_MS, LAUNCH_TIMEOUT_MS } from './limits.ts';
import { QmpClient } from './qmp-client.ts';
import type { RunFiles } from './run-files.ts';

export interface QemuProcess extends VmmProcess {
  readonly qmp: QmpClient;
}

export interface LaunchRequest {
  readonly program: string;
  readonly args: readonly string[];
  readonly files: Pick<RunFiles, 'control' | 'log'>;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Starts QEMU so that it outlives us, and waits for its control connection.
 * @throws KelpieError `backend_unavailable` when the program is missing, `vm_start_failed` when it ends or does not answer;
 * then no process is left.
 */
export async function launchQemu(env: Env, request: LaunchRequest): Promise<QemuProcess> {
  const { program, args, files, signal } = request;
  throwIfCanceled(signal, 'starting the VM');
  let child: ProcessHandle;
  try {
    child = await env.processes.spawn({
      command: program,
      args,
      output: { path: files.log },
      detached: true,
    });
  } catch (error) {
    throw new KelpieError(
      'backend_unavailable',
      `${program} cannot be started; \`kelpie doctor\` says what to install.`,
      {
        cause: error,
      },
    );
  }
  const process = new SupervisedProcess(env.clock, child, 'QEMU');
  try {
    const qmp = await connectControl(env, process, files.control, signal);
    return withControl(process, qmp);
  } catch (error) {
    await process.end();
    throwIfCanceled(signal, 'starting the VM');
    throw new KelpieError('vm_start_failed', `${program} did not start: ${await logTail(env, files.log)}.`, {
      cause: error,
    });
  }
}

/**
 * The control connection to a process that another daemon started.
 * @returns null when the process is gone. @throws KelpieError `vm_backend_failed` when it does not answer; it is left alone.
 */
export async function adoptQemu(
  env: Env,
  identity: ProcessIdentity,
  files: Pick<RunFiles, 'control'>,
): Promise<QemuProcess | null> {
  const adopted = await env.processes.adopt(identity);
  if (adopted === null) return null;
  const process = new SupervisedProcess(env.clock, adopted, 'QEMU');
  try {
    return withControl(process, await connectControl(env, process, files.control, undefined));
  } catch (error) {
    if (await isSettledWithin(env.clock, process.ended, END_NOTICE_MS)) return null;
    throw error;
  }
}

function withControl(process: SupervisedProcess, qmp: QmpClient): QemuProcess {
  const { identity, ended, hasEnded } = process;
  return {
    identity,
    ended,
    hasEnded,
    qmp,
    end: async () => {
      qmp.close();
      await process.end();
    },
  };
}

/** QEMU makes its socket some milliseconds after it starts: asked again until it is there. */
async function connectControl(
  env: Env,
  process: SupervisedProcess,
  path: string,
  signal: AbortSignal | undefined,
): Promise<QmpClient> {
  const deadlineMs = env.clock.monotonicMs() + LAUNCH_TIMEOUT_MS;
  for (;;) {
    try {
      const connection = await env.sockets.connect({ kind: 'unix', path }, signal);
      return await QmpClient.open(env.clock, connection, deadlineMs - env.clock.monotonicMs());
    } catch (error) {
      const isNotThereYet = isSystemError(error, 'ENOENT', 'ECONNREFUSED');
      if (!isNotThereYet || process.hasEnded() || env.clock.monotonicMs() > deadlineMs) throw error;
    }
    await env.clock.sleep(LAUNCH_RETRY_MS, signal);
  }
}
