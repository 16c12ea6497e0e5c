/** A QEMU process and its control connection: started or found again. */
import { fromUtf8Lossy } from '../../base/bytes.ts';
import { KelpieError } from '../../base/errors.ts';
import { throwIfCanceled } from '../../base/cancel.ts';
import type { Env } from '../../env/env.ts';
import type { ProcessIdentity } from '../../env/processes.ts';
import { isSystemError } from '../../env/system-error.ts';
import { isSettledWithin } from './bounded.ts';
import {
  END_NOTICE_MS,
  KILL_TIMEOUT_MS,
  LAUNCH_RETRY_MS,
  LAUNCH_TIMEOUT_MS,
  LOG_TAIL_BYTES,
} from './limits.ts';
import { QmpClient } from './qmp-client.ts';
import type { RunFiles } from './run-files.ts';

export interface QemuProcess {
  readonly identity: ProcessIdentity;
  readonly qmp: QmpClient;
  /** Resolves when the process has ended, however it did. */
  readonly ended: Promise<void>;
  /** True once `ended` has resolved. */
  readonly hasEnded: () => boolean;
  /** SIGKILL; resolves when it has ended. @throws KelpieError `vm_backend_failed` when it does not. */
  end(): Promise<void>;
}

export interface LaunchRequest {
  readonly program: string;
  readonly args: readonly string[];
  readonly files: Pick<RunFiles, 'control' | 'log'>;
  readonly signal?: AbortSignal | undefined;
}

/** What both a child and an adopted process are. */
interface Handle {
  readonly identity: ProcessIdentity;
  wait(): Promise<unknown>;
  kill(signal: 'SIGKILL'): void;
}

/**
 * Starts QEMU so that it outlives us, and waits for its control connection.
 * @throws KelpieError `backend_unavailable` when the program is missing, `vm_start_failed` when it ends or does not answer;
 * then no process is left.
 */
export async function launchQemu(env: Env, request: LaunchRequest): Promise<QemuProcess> {
  const { program, args, files, signal } = request;
  throwIfCanceled(signal, 'starting the VM');
  let child: Handle;
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
  const process = new Supervised(env, child);
  try {
    const qmp = await connectControl(env, process, files.control, signal);
    return process.withControl(qmp);
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
  const process = new Supervised(env, adopted);
  try {
    return process.withControl(await connectControl(env, process, files.control, undefined));
  } catch (error) {
    if (await isSettledWithin(env.clock, process.ended, END_NOTICE_MS)) return null;
    throw error;
  }
}

/** The end of QEMU's own messages in one line, to be quoted within a sentence. */
export async function logTail(env: Env, path: string): Promise<string> {
  let text: string;
  try {
    const log = await env.files.open(path, 'r');
    try {
      const { sizeBytes } = await log.stat();
      const tail = new Uint8Array(Math.min(sizeBytes, LOG_TAIL_BYTES));
      const read = await log.read(tail, sizeBytes - tail.byteLength);
      text = fromUtf8Lossy(tail.subarray(0, read)).trim();
    } finally {
      await log.close();
    }
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error;
    text = '';
  }
  return text === '' ? 'it said nothing' : text.replaceAll(/\s*\n\s*/g, '; ').replace(/\.$/, '');
}

class Supervised {
  readonly ended: Promise<void>;
  readonly #clock: Env['clock'];
  readonly #handle: Handle;
  #hasEnded = false;

  constructor(env: Env, handle: Handle) {
    this.#clock = env.clock;
    this.#handle = handle;
    this.ended = handle.wait().then(() => {
      this.#hasEnded = true;
    });
  }

  hasEnded(): boolean {
    return this.#hasEnded;
  }

  async end(): Promise<void> {
    if (this.#hasEnded) return;
    this.#handle.kill('SIGKILL');
    if (await isSettledWithin(this.#clock, this.ended, KILL_TIMEOUT_MS)) return;
    throw new KelpieError(
      'vm_backend_failed',
      `QEMU (process ${this.#handle.identity.pid}) does not end even when killed; the host's disk may hang.`,
    );
  }

  withControl(qmp: QmpClient): QemuProcess {
    return {
      identity: this.#handle.identity,
      qmp,
      ended: this.ended,
      hasEnded: () => this.#hasEnded,
      end: async () => {
        qmp.close();
        await this.end();
      },
    };
  }
}

/** QEMU makes its socket some milliseconds after it starts: asked again until it is there. */
async function connectControl(
  env: Env,
  process: Supervised,
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
