/** A QEMU process and its control connection: started or found again. */
import type { Env } from '../../env/env.ts';
import type { ProcessIdentity } from '../../env/processes.ts';
import { isSystemError } from '../../env/system-error.ts';
import { findVmm, launchVmm } from '../launch.ts';
import type { FirstAnswer, LaunchedVmm } from '../launch.ts';
import type { VmmProcess } from '../vmm-process.ts';
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

/** As `launchVmm`; its answer is the control connection. */
export async function launchQemu(env: Env, request: LaunchRequest): Promise<QemuProcess> {
  const { program, args, files, signal } = request;
  const started = { command: program, args, log: files.log };
  return withControl(await launchVmm(env, started, firstAnswer(env, files), signal));
}

/** As `findVmm`. */
export async function adoptQemu(
  env: Env,
  identity: ProcessIdentity,
  files: Pick<RunFiles, 'control'>,
): Promise<QemuProcess | null> {
  const found = await findVmm(env, identity, firstAnswer(env, files));
  return found === null ? null : withControl(found);
}

function firstAnswer(
  { clock, sockets }: Pick<Env, 'clock' | 'sockets'>,
  { control }: Pick<RunFiles, 'control'>,
): FirstAnswer<QmpClient> {
  return {
    name: 'QEMU',
    ask: async (deadlineMs, signal) => {
      const connection = await sockets.connect({ kind: 'unix', path: control }, signal);
      return QmpClient.open(clock, connection, deadlineMs - clock.monotonicMs());
    },
    isUnserved: (error) => isSystemError(error, 'ENOENT', 'ECONNREFUSED'),
  };
}

function withControl({ process, answer: qmp }: LaunchedVmm<QmpClient>): QemuProcess {
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
