/**
 * Runs `act` for every item, in their order, at most `atOnce` at the same time. After the first failure no other item is begun, `signal` of those under
 * way is aborted, and they are waited for: when this returns, nothing runs any more.
 * @throws the first failure.
 */
export async function inParallel<T>(
  items: Iterable<T>,
  atOnce: number,
  act: (item: T, signal: AbortSignal) => Promise<void>,
  signal?: AbortSignal,
): Promise<void> {
  const failed = new AbortController();
  const failures: unknown[] = [];
  const any = signal === undefined ? failed.signal : AbortSignal.any([signal, failed.signal]);
  const queue = items[Symbol.iterator]();
  const lane = async (): Promise<void> => {
    while (failures.length === 0) {
      try {
        signal?.throwIfAborted();
        const next = queue.next();
        if (next.done === true) return;
        await act(next.value, any);
      } catch (error) {
        failures.push(error);
        failed.abort(error);
      }
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  if (failures.length > 0) throw failures[0];
}
