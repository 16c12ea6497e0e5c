/**
 * From nothing to a greeted agent: opens the stream, again while it is refused or ends (a VM that still boots, a VMM
 * that just restarts), and greets on it, all within one deadline.
 */
import { isKelpieError } from '../base/errors.ts';
import { isSystemError } from '../env/system-error.ts';
import type { Connection } from '../env/sockets.ts';
import type { GuestAgent } from './guest-agent.ts';
import { GuestClient } from './guest-client.ts';
import { guestUnreachable } from './guest-errors.ts';
import { greet } from './handshake.ts';
import type { GuestEnv } from './handshake.ts';
import { CONNECT_RETRY_MS, CONNECT_TIMEOUT_MS_DEFAULT } from './limits.ts';
import { startTimer } from './timer.ts';

export interface ConnectOptions {
  /** For all of it; `CONNECT_TIMEOUT_MS_DEFAULT` if absent. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/**
 * @param open gives a fresh stream to the agent. A `SystemError` means "not yet" and is tried again; anything else is final.
 * @throws KelpieError `guest_unreachable` at the deadline, with the last failure as its cause; `guest_protocol_error`
 * when what answers is no agent of this version; the signal's reason.
 */
export async function connectGuestAgent(
  env: GuestEnv,
  open: (signal: AbortSignal) => Promise<Connection>,
  options: ConnectOptions = {},
): Promise<GuestAgent> {
  const timeoutMs = options.timeoutMs ?? CONNECT_TIMEOUT_MS_DEFAULT;
  const deadline = new AbortController();
  const cancelTimer = startTimer(env.clock, timeoutMs, () => deadline.abort());
  const signal =
    options.signal === undefined ? deadline.signal : AbortSignal.any([deadline.signal, options.signal]);
  let lastFailure: unknown;
  try {
    for (;;) {
      try {
        const connection = await openWithin(open, signal);
        return new GuestClient(env, connection, await greet(env, connection, signal));
      } catch (error) {
        signal.throwIfAborted();
        if (!isSystemError(error) && !isKelpieError(error, 'guest_unreachable')) throw error;
        lastFailure = error;
      }
      await env.clock.sleep(CONNECT_RETRY_MS, signal);
    }
  } catch (error) {
    if (!deadline.signal.aborted || options.signal?.aborted === true) throw error;
    throw guestUnreachable(`it did not answer in ${timeoutMs} ms`, lastFailure);
  } finally {
    cancelTimer();
  }
}

/** `open`, but no longer than `signal` allows even if it does not listen to it. */
async function openWithin(
  open: (signal: AbortSignal) => Promise<Connection>,
  signal: AbortSignal,
): Promise<Connection> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason);
  signal.throwIfAborted();
  signal.addEventListener('abort', onAbort, { once: true });
  const opening = open(signal);
  try {
    return await Promise.race([opening, aborted]);
  } catch (error) {
    // A connection that comes too late belongs to nobody; that it failed was told already, or does not matter any more.
    opening.then(
      (connection) => connection.close(),
      () => undefined,
    );
    throw error;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
