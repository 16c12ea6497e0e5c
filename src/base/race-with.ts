/**
 * Races many acts, one after the other, with one event that comes late or never. `Promise.race` would do the same and keep what every
 * act gave, a gigabyte of chunks for instance, until the event comes: each race leaves a reaction on the event's promise.
 */
export function raceWith<T>(event: Promise<T>): <U>(act: Promise<U>) => Promise<T | U> {
  const waiting = new Set<(event: Promise<T>) => void>();
  let hasCome = false;
  const tell = (): void => {
    hasCome = true;
    for (const wake of waiting) wake(event);
    waiting.clear();
  };
  event.then(tell, tell);
  return async (act) => {
    if (hasCome) return Promise.race([act, event]);
    return new Promise((resolve, reject) => {
      waiting.add(resolve);
      act.then(resolve, reject).finally(() => waiting.delete(resolve));
    });
  };
}
