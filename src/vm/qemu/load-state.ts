import { isKelpieError, KelpieError } from '../../base/errors.ts';
import { KIB } from '../../base/units.ts';
import type { Env } from '../../env/env.ts';
import type { Connection } from '../../env/sockets.ts';
import { isSystemError } from '../../env/system-error.ts';
import { isSettledWithin } from '../bounded.ts';
import { logTail } from '../log-file.ts';
import type { QemuProcess } from './launch.ts';
import { END_NOTICE_MS } from '../limits.ts';
import { DEVICE_STATE_BYTES_MAX, LOAD_TIMEOUT_MS } from './limits.ts';
import { enableMigrationEvents, listenForState, queryRunState } from './qmp-commands.ts';
import type { RunFiles } from './run-files.ts';

const CHUNK_BYTES: number = 256 * KIB;

/**
 * Loads a device state into a QEMU that waits for one. Afterwards it is paused before the next instruction of the guest.
 * @throws KelpieError `restore_failed`, `snapshot_corrupt`: the process has ended or must be.
 */
export async function loadDeviceState(
  env: Env,
  process: QemuProcess,
  files: RunFiles,
  statePath: string,
): Promise<void> {
  try {
    await load(env, process, files.incoming, statePath);
  } catch (error) {
    if (!isKelpieError(error, 'vm_backend_failed', 'restore_failed')) throw error;
    // QEMU ends when a state does not fit, and says in its log what does not.
    const hasEnded = await isSettledWithin(env.clock, process.ended, END_NOTICE_MS);
    if (!hasEnded) throw error;
    throw loadFailed(`QEMU refused it: ${await logTail(env, files.log)}`, error);
  }
}

/** @param socketPath where QEMU listens for the state: `exec:` is forbidden by the sandbox, `file:` is missing before 8.2. */
async function load(env: Env, process: QemuProcess, socketPath: string, statePath: string): Promise<void> {
  const finished = Promise.withResolvers<string>();
  const stopListening = process.qmp.onEvent((event) => {
    const status = event.data['status'];
    if (event.name === 'MIGRATION' && (status === 'completed' || status === 'failed'))
      finished.resolve(status);
  });
  void process.ended.then(() => finished.resolve('ended'));
  try {
    await enableMigrationEvents(process.qmp);
    await listenForState(process.qmp, socketPath);
    await sendFile(env, statePath, socketPath);
    const isInTime = await isSettledWithin(env.clock, finished.promise, LOAD_TIMEOUT_MS);
    const outcome = isInTime ? await finished.promise : 'late';
    if (outcome !== 'completed') throw loadFailed(`loading the device state ended as "${outcome}"`);
    const runState = await queryRunState(process.qmp);
    if (runState !== 'paused') throw loadFailed(`QEMU is ${runState} after loading, not paused`);
  } finally {
    stopListening();
  }
}

async function sendFile(env: Env, statePath: string, socketPath: string): Promise<void> {
  const file = await env.files.open(statePath, 'r');
  try {
    const { sizeBytes } = await file.stat();
    if (sizeBytes === 0 || sizeBytes > DEVICE_STATE_BYTES_MAX) {
      throw new KelpieError('snapshot_corrupt', `the device state of the snapshot has ${sizeBytes} bytes.`);
    }
    const connection = await env.sockets.connect({ kind: 'unix', path: socketPath });
    try {
      await sendAll(connection, async (into, offset) => file.read(into, offset));
    } finally {
      connection.close();
    }
  } finally {
    await file.close();
  }
}

async function sendAll(
  connection: Connection,
  read: (into: Uint8Array, offset: number) => Promise<number>,
): Promise<void> {
  const chunk = new Uint8Array(CHUNK_BYTES);
  for (let offset = 0; ;) {
    const length = await read(chunk, offset);
    try {
      if (length === 0) {
        await connection.end();
        return;
      }
      await connection.write(chunk.subarray(0, length));
    } catch (error) {
      // QEMU hangs up when it refuses the state; how the loading ended says why.
      if (isSystemError(error)) return;
      throw error;
    }
    offset += length;
  }
}

function loadFailed(what: string, cause?: unknown): KelpieError {
  return new KelpieError('restore_failed', `the snapshot could not be loaded: ${what}.`, { cause });
}
