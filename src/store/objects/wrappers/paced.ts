import type { Clock } from '../../../env/clock.ts';
import type { ObjectStore } from '../object-store.ts';
import { receivedBytes } from './received-bytes.ts';
import { wrapObjects } from './wrap-objects.ts';

export interface Pace {
  /** Bodies in both directions; absent: no bound. */
  readonly bytesPerS?: number;
  readonly requestsPerS?: number;
}

/**
 * No more than so much per second, on average from each request to the next: a request begins when what went before it has had its
 * time. What a read brings is counted when it has come.
 */
export function paced(
  inner: ObjectStore,
  clock: Clock,
  { bytesPerS = Infinity, requestsPerS = Infinity }: Pace,
): ObjectStore {
  let freeMs = clock.monotonicMs();
  /** @returns when what is counted here may begin. */
  const count = (requests: number, bytes: number): number => {
    const startMs = Math.max(freeMs, clock.monotonicMs());
    freeMs = startMs + (requests / requestsPerS + bytes / bytesPerS) * 1000;
    return startMs;
  };
  return wrapObjects(inner, async ({ sentBytes, signal }, run) => {
    const waitMs = count(1, sentBytes) - clock.monotonicMs();
    if (waitMs > 0) await clock.sleep(waitMs, signal);
    const result = await run();
    count(0, receivedBytes(result));
    return result;
  });
}
