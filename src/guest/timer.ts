import type { Clock } from '../env/clock.ts';

/** Without one, each `abort` makes a `DOMException`, which costs more than the timer. */
const STOPPED = new Error('the timer was stopped');

/** Calls `onFire` once after `durationMs`, unless the returned function was called before. */
export function startTimer(clock: Clock, durationMs: number, onFire: () => void): () => void {
  const controller = new AbortController();
  clock.sleep(durationMs, controller.signal).then(onFire, (error: unknown) => {
    // Our own cancellation is the only way for a sleep to fail; anything else must be seen.
    if (!controller.signal.aborted) throw error;
  });
  return () => controller.abort(STOPPED);
}
