/** A workload that is short and always the same: a VM is made, moved there and back, and everything that can be asked of it is asked once. */
import type { ActName, PlannedAct, SiteName } from './plan.ts';

/** Enough for the people before to be done, with retries too. */
const SECOND_TURN_MS = 12_000;
const THIRD_TURN_MS = 25_000;
const NEXT_MS = 300;

const acts: readonly (readonly [SiteName, number, ActName, boolean])[] = [
  ['a', NEXT_MS, 'up', false],
  ['a', NEXT_MS, 'snapshot', false],
  ['a', NEXT_MS, 'pause', false],
  ['a', NEXT_MS, 'resume', false],
  ['a', NEXT_MS, 'restoreLocal', true],
  ['a', NEXT_MS, 'teleport', false],
  ['b', SECOND_TURN_MS, 'restoreFromStore', false],
  ['b', NEXT_MS, 'count', false],
  ['b', NEXT_MS, 'snapshot', false],
  ['b', NEXT_MS, 'stop', false],
  ['b', NEXT_MS, 'start', false],
  ['b', NEXT_MS, 'teleport', false],
  ['a', THIRD_TURN_MS, 'restoreFromStore', false],
  ['a', NEXT_MS, 'count', false],
  // Last, since each VM more makes every run longer that comes so far.
  ['a', NEXT_MS, 'fork', false],
];

export const errand: readonly PlannedAct[] = acts.map(([site, thinkMs, name, isBold]) => ({
  site,
  thinkMs,
  name,
  isBold,
  isLeft: false,
  vm: 'vm-0',
}));
