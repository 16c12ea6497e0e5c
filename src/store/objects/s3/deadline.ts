import type { Clock } from '../../../env/clock.ts';

/** Thrown into what has taken too long. */
export class TooSlow extends Error {
  override readonly name = 'TooSlow';
}

/** Runs `work` with a signal that is aborted by the caller's, or after a time, by `TooSlow`. */
export async function withDeadline<T>(
  clock: Clock,
  durationMs: number,
  signal: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  const act = new AbortController();
  const timer = new AbortController();
  const onAbort = (): void => act.abort(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  clock.sleep(durationMs, timer.signal).then(
    () => act.abort(new TooSlow()),
    (error: unknown) => {
      // Our own cancellation is the only way for a sleep to fail; anything else must be seen.
      if (!timer.signal.aborted) throw error;
    },
  );
  try {
    return await work(act.signal);
  } finally {
    timer.abort();
    signal?.removeEventListener('abort', onAbort);
  }
}
