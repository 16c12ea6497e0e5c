import { TaskGroup } from './task-group.ts';

/**
 * Runs `act` for every item, in their order, at most `atOnce` at the same time. After the first failure no other item is begun, the signal of those
 * under way is aborted, and they are waited for: when this settles, nothing runs any more.
 * @throws the first failure, or the signal's reason.
 */
export async function inParallel<T>(
  items: Iterable<T>,
  atOnce: number,
  act: (item: T, signal: AbortSignal) => Promise<void>,
  signal?: AbortSignal,
): Promise<void> {
  const group = new TaskGroup(signal);
  const lane = group.lane(atOnce);
  try {
    for (const item of items) await lane.begin(1, async () => await act(item, group.signal));
    await group.end();
  } catch (error) {
    throw await group.abandon(error);
  }
}
