import type { Clock } from '../../../env/clock.ts';

/** Thrown into what has taken too long. */
export class TooSlow extends Error {
  override readonly name = 'TooSlow';
}

/**
 * Runs `work` with a signal that is aborted by the caller's, or after a time, by `TooSlow`.
 * @param work may say that it has come so far, and has another time from then on.
 */
export async function withDeadline<T>(
  clock: Clock,
  durationMs: number,
  signal: AbortSignal | undefined,
  work: (signal: AbortSignal, allow: (durationMs: number) => void) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  const act = new AbortController();
  let timer = new AbortController();
  const onAbort = (): void => act.abort(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  const allow = (nextMs: number): void => {
    timer.abort();
    const own = new AbortController();
    timer = own;
    clock.sleep(nextMs, own.signal).then(
      () => act.abort(new TooSlow()),
      (error: unknown) => {
        // Our own cancellation is the only way for a sleep to fail; anything else must be seen.
        if (!own.signal.aborted) throw error;
      },
    );
  };
  allow(durationMs);
  try {
    return await work(act.signal, allow);
  } finally {
    timer.abort();
    signal?.removeEventListener('abort', onAbort);
  }
}
