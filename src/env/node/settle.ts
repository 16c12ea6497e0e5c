/** How many turns are asked for at once. */
const BATCH_TURNS = 256;

/**
 * Makes a function that calls `then` once every promise that can settle without the world has settled: between two immediates Node runs
 * all microtasks. Immediates of one batch run in one turn of the event loop, which asks the system nothing between them: a third of the
 * price of a turn each. One wait at a time.
 */
export function createSettle(): (then: () => void) => void {
  let waiting: (() => void) | null = null;
  let asked = 0;
  const fire = (): void => {
    asked -= 1;
    const then = waiting;
    waiting = null;
    then?.();
  };
  return (then) => {
    waiting = then;
    if (asked === 0) for (; asked < BATCH_TURNS; asked += 1) setImmediate(fire);
  };
}
