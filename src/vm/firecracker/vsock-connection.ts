/**
 * A stream to a port of the guest through Firecracker's vsock device:
 *
 *   connect ──▶ "CONNECT 9001\n" ──▶ "OK 1073741824\n" ──▶ the guest's bytes
 *                                └──▶ closed: nobody listens there (yet)
 *                                └──▶ silence: the guest has no driver yet, or the device is stuck
 */
import { concat, fromUtf8Lossy, utf8 } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import { KelpieError } from '../../base/errors.ts';
import type { Env } from '../../env/env.ts';
import type { Connection } from '../../env/sockets.ts';
import { isSystemError } from '../../env/system-error.ts';
import { startTimer } from '../../guest/timer.ts';
import { VSOCK_ANSWER_BYTES_MAX, VSOCK_ATTEMPT_TIMEOUT_MS } from './limits.ts';

/** Where the guest agent listens (`docs/PROTOCOL.md`). */
export const AGENT_VSOCK_PORT = 9001;

const NEWLINE = 0x0a;

/**
 * @throws KelpieError `guest_unreachable` when nobody answers there within `VSOCK_ATTEMPT_TIMEOUT_MS`: worth another try.
 * @throws SystemError `ENOENT`, `ECONNREFUSED` when there is no device; the signal's reason.
 */
export async function connectVsock(
  env: Pick<Env, 'sockets' | 'clock'>,
  socketPath: string,
  port: number,
  signal: AbortSignal,
): Promise<Connection> {
  const connection = await env.sockets.connect({ kind: 'unix', path: socketPath }, signal);
  // Closed, a pending read gives null: silence ends as a refusal does.
  const cancelTimer = startTimer(env.clock, VSOCK_ATTEMPT_TIMEOUT_MS, () => connection.close());
  const onAbort = (): void => connection.close();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    await connection.write(utf8(`CONNECT ${port}\n`));
    const { line, rest } = await readLine(connection);
    if (/^OK \d{1,10}$/.test(line)) return rest.byteLength === 0 ? connection : withRead(connection, rest);
    throw unanswered(`vsock answered "${line.slice(0, VSOCK_ANSWER_BYTES_MAX)}"`);
  } catch (error) {
    connection.close();
    signal.throwIfAborted();
    // The device drops connections to ports where nobody listens.
    if (isSystemError(error, 'EPIPE', 'ECONNRESET')) throw unanswered('vsock closed the connection', error);
    throw error;
  } finally {
    cancelTimer();
    signal.removeEventListener('abort', onAbort);
  }
}

async function readLine(connection: Connection): Promise<{ readonly line: string; readonly rest: Bytes }> {
  let read: Bytes = new Uint8Array(0);
  for (;;) {
    const end = read.indexOf(NEWLINE);
    if (end >= 0) return { line: fromUtf8Lossy(read.subarray(0, end)), rest: read.subarray(end + 1) };
    if (read.byteLength > VSOCK_ANSWER_BYTES_MAX)
      throw unanswered('what answers at its socket is no vsock device');
    const bytes = await connection.read();
    if (bytes === null) throw unanswered('vsock did not answer');
    read = concat([read, bytes]);
  }
}

function unanswered(why: string, cause?: unknown): KelpieError {
  return new KelpieError('guest_unreachable', `the guest agent cannot be reached: ${why}.`, { cause });
}

/** The connection, with bytes that were read of it already. */
function withRead(connection: Connection, rest: Bytes): Connection {
  let pending: Bytes | null = rest;
  return {
    read: async () => {
      const bytes = pending;
      pending = null;
      return bytes ?? connection.read();
    },
    write: (bytes) => connection.write(bytes),
    end: () => connection.end(),
    close: () => connection.close(),
  };
}
