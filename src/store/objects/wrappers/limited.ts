import { KelpieError } from '../../../base/errors.ts';
import { REQUESTS_WAITING_MAX } from '../limits.ts';
import type { ObjectStore } from '../object-store.ts';
import { wrapObjects } from './wrap-objects.ts';

/** At most `requestsAtOnce` acts run at once; the others wait in line. @throws KelpieError `limit_exceeded` when the line is full. */
export function limited(inner: ObjectStore, requestsAtOnce: number): ObjectStore {
  let running = 0;
  const waiting = new Set<() => void>();

  const enter = async (signal: AbortSignal | undefined): Promise<void> => {
    signal?.throwIfAborted();
    if (running < requestsAtOnce) {
      running += 1;
      return;
    }
    if (waiting.size >= REQUESTS_WAITING_MAX)
      throw new KelpieError('limit_exceeded', 'too many requests to the store wait at once.');
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    waiting.add(resolve);
    const onAbort = (): void => {
      // Not when the place was given to us already: then `leave` must give it back.
      if (waiting.delete(resolve)) reject(signal?.reason);
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      await promise;
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
  };

  /** Hands the place to the next in line, if there is one. */
  const leave = (): void => {
    const [next] = waiting;
    if (next === undefined) {
      running -= 1;
      return;
    }
    waiting.delete(next);
    next();
  };

  return wrapObjects(inner, async ({ signal }, run) => {
    await enter(signal);
    try {
      return await run();
    } finally {
      leave();
    }
  });
}
