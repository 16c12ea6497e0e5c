import type { Clock } from '../env/clock.ts';
import { startTimer } from '../guest/timer.ts';

/** True when `promise` resolved within the time, false when the time was over first. @throws what it rejects with. */
export async function isSettledWithin(
  clock: Clock,
  promise: Promise<unknown>,
  timeoutMs: number,
): Promise<boolean> {
  const { promise: timedOut, resolve } = Promise.withResolvers<false>();
  const cancelTimer = startTimer(clock, timeoutMs, () => resolve(false));
  try {
    return await Promise.race([promise.then(() => true), timedOut]);
  } finally {
    cancelTimer();
  }
}

/** Both outcomes are waited for, so that what follows a failure does not run beside the other. @throws the first failure. */
export async function both<A, B>(first: Promise<A>, second: Promise<B>): Promise<readonly [A, B]> {
  const [a, b] = await Promise.allSettled([first, second]);
  if (a.status === 'rejected') throw a.reason;
  if (b.status === 'rejected') throw b.reason;
  return [a.value, b.value];
}
