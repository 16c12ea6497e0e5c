/**
 * Finds the daemon, or starts it.
 *
 *     connect ──answers──▶ ready
 *        └──refused──▶ spawn `kelpie serve` ──▶ connect … until START_TIMEOUT_MS ──▶ daemon_unavailable, with the end of its log
 *                            ▲──another serves──┘
 *
 * Clients that start one at once are harmless: the daemon's lock lets one live, and all connect to it.
 */
import { errorCodes } from '../base/error-codes.ts';
import { KelpieError } from '../base/errors.ts';
import { fromUtf8Lossy } from '../base/bytes.ts';
import { isSystemError } from '../env/system-error.ts';
import { DaemonClient } from './daemon-client.ts';
import type { CommandEnv } from '../env/env.ts';
import type { Child } from '../env/processes.ts';

const START_TIMEOUT_MS = 15_000;
const POLL_MS = 10;
const LOG_TAIL_BYTES = 2000;
const LOG_BYTES_MAX = 64 * 1024 * 1024;

/** The path of the daemon's socket. */
export function socketPath(home: string): string {
  return `${home}/kelpied.sock`;
}

/** True when something listens. */
export async function isDaemonUp(env: CommandEnv, home: string): Promise<boolean> {
  try {
    const connection = await env.sockets.connect({ kind: 'unix', path: socketPath(home) });
    connection.close();
    return true;
  } catch (error) {
    if (isSystemError(error, 'ENOENT', 'ENOTDIR', 'ECONNREFUSED')) return false;
    if (isSystemError(error, 'ENAMETOOLONG')) throw homeTooLong(home);
    throw new KelpieError('daemon_unavailable', `cannot reach the daemon at ${socketPath(home)}.`, {
      cause: error,
    });
  }
}

export async function ensureDaemon(env: CommandEnv, home: string): Promise<DaemonClient> {
  if (!(await isDaemonUp(env, home))) await startDaemon(env, home);
  return new DaemonClient(env, socketPath(home));
}

async function startDaemon(env: CommandEnv, home: string): Promise<void> {
  await makeHome(env, home);
  const logPath = `${home}/kelpied.log`;
  let child = await spawnDaemon(env, home, logPath);
  const deadlineMs = env.clock.monotonicMs() + START_TIMEOUT_MS;
  while (!(await isDaemonUp(env, home))) {
    const isAlive = await env.processes.isAlive(child.identity);
    if (!isAlive && !(await isDaemonUp(env, home))) {
      // Waited for only now: a pending wait would keep this program alive for as long as the daemon lives.
      const status = await child.wait();
      const isServed = 'code' in status && status.code === errorCodes.invalid_state.exit;
      if (!isServed) throw await didNotStart(env, logPath, 'ended at once');
      // Another one has this home. It will answer soon, or is about to end.
      child = await spawnDaemon(env, home, logPath);
    }
    if (env.clock.monotonicMs() > deadlineMs)
      throw await didNotStart(env, logPath, `did not answer in ${START_TIMEOUT_MS / 1000} s`);
    await env.clock.sleep(POLL_MS);
  }
}

async function spawnDaemon(env: CommandEnv, home: string, logPath: string): Promise<Child> {
  return env.processes.spawn({
    command: env.host.launcherPath,
    args: ['serve', '--home', home],
    output: { path: logPath },
    detached: true,
  });
}

async function makeHome(env: CommandEnv, home: string): Promise<void> {
  try {
    await env.files.makeDirectory(home);
  } catch (error) {
    throw new KelpieError(
      'permission_denied',
      `cannot make ${home}: give another folder with --home or KELPIE_HOME.`,
      { cause: error },
    );
  }
}

async function didNotStart(env: CommandEnv, logPath: string, how: string): Promise<KelpieError> {
  const log = await env.files.readFile(logPath, LOG_BYTES_MAX);
  const tail = fromUtf8Lossy(log.subarray(Math.max(0, log.byteLength - LOG_TAIL_BYTES)));
  const last = tail.trimEnd().split('\n').at(-1) ?? '';
  return new KelpieError(
    'daemon_unavailable',
    `the daemon ${how}; ${logPath} says: ${last === '' ? 'nothing' : last}`,
  );
}

function homeTooLong(home: string): KelpieError {
  return new KelpieError(
    'invalid_argument',
    `the path ${home} is too long for a Unix socket: choose a shorter --home or KELPIE_HOME.`,
  );
}
