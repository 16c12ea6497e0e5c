/** A workload that is short and always the same: a VM is made, moved there and back, and everything that can be asked of it is asked once. */
import type { ActName, PlannedAct, SiteName } from './plan.ts';

/** Long enough for the person at the other site to be done, a boot with its retries too. */
const FAR_MS = 12_000;
const NEAR_MS = 300;

const acts: readonly (readonly [SiteName, ActName, boolean])[] = [
  ['a', 'up', false],
  ['a', 'snapshot', false],
  ['a', 'pause', false],
  ['a', 'resume', false],
  ['a', 'restoreLocal', true],
  ['a', 'teleport', false],
  ['b', 'restoreFromStore', false],
  ['b', 'count', false],
  ['b', 'snapshot', false],
  ['b', 'stop', false],
  ['b', 'start', false],
  ['b', 'teleport', false],
];

export const errand: readonly PlannedAct[] = acts.map(([site, name, isBold], index) => ({
  site,
  name,
  isBold,
  vm: 'vm-0',
  thinkMs: site === acts[index - 1]?.[0] ? NEAR_MS : site === 'a' ? NEAR_MS : FAR_MS,
}));
