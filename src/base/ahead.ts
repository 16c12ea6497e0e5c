/**
 * What `act` gives for each item, in their order; it is begun for `count` more items than were asked for. When this has ended, however it
 * ends, nothing runs any more: what was begun and not asked for was aborted by `signal` and waited for.
 * @throws the failure of an item when it is its turn.
 */
export async function* ahead<T, R>(
  items: Iterable<T>,
  count: number,
  act: (item: T, signal: AbortSignal) => Promise<R>,
  signal?: AbortSignal,
): AsyncGenerator<R, void> {
  const stop = new AbortController();
  const any = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
  const queue = items[Symbol.iterator]();
  const begun: Promise<R>[] = [];
  try {
    for (;;) {
      while (begun.length <= count) {
        const next = queue.next();
        if (next.done === true) break;
        const result = act(next.value, any);
        // Told when its turn comes; until then it must not count as unhandled.
        result.catch(() => undefined);
        begun.push(result);
      }
      const first = begun.shift();
      if (first === undefined) return;
      yield await first;
    }
  } finally {
    stop.abort();
    await Promise.allSettled(begun);
  }
}
