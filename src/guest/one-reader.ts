import { KelpieError } from '../base/errors.ts';

/**
 * An iterable for one reader. `leave` is called once, when the reader is at the end, got an error, or left early (also
 * before its first `next`, where a generator's `finally` would not run).
 * @param pull the next item, or null at the end; after `leave` a pending call must settle.
 */
export function oneReader<T>(pull: () => Promise<T | null>, leave: () => Promise<void>): AsyncIterable<T> {
  let isTaken = false;
  let left: Promise<void> | null = null;
  const leaveOnce = (): Promise<void> => (left ??= leave());
  const done: IteratorReturnResult<undefined> = { done: true, value: undefined };
  const iterator: AsyncIterator<T, undefined> = {
    async next() {
      if (left !== null) return done;
      try {
        const value = await pull();
        if (value !== null) return { done: false, value };
      } catch (error) {
        await leaveOnce();
        throw error;
      }
      await leaveOnce();
      return done;
    },
    async return() {
      await leaveOnce();
      return done;
    },
  };
  return {
    [Symbol.asyncIterator]() {
      if (isTaken) {
        throw new KelpieError('invalid_state', 'these bytes have one reader, and there is one already');
      }
      isTaken = true;
      return iterator;
    },
  };
}
