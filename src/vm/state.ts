/**
 * The life of a VM.
 *
 *     created ──start──▶ starting ──booted──▶ running ⇄ paused
 *        ▲                  │                    │         │
 *        │                  └──────failed──┐     └──stop───┤
 *        │                                 ▼               ▼
 *     stopped ◀────────────────────────────────────────stopped
 *
 *     crashed: from starting, running and paused, when the VMM ends without having been asked to.
 *     stopped and crashed VMs start again (`starting`): a boot from their disk, or a restore.
 */
import { KelpieError } from '../base/errors.ts';
import { withoutFullStop } from '../base/sentence.ts';

export const vmStates = ['created', 'starting', 'running', 'paused', 'stopped', 'crashed'] as const;
export type VmState = (typeof vmStates)[number];

const legal: Readonly<Record<VmState, readonly VmState[]>> = {
  created: ['starting'],
  starting: ['running', 'paused', 'stopped', 'crashed'],
  running: ['paused', 'stopped', 'crashed'],
  paused: ['running', 'stopped', 'crashed'],
  stopped: ['starting'],
  crashed: ['starting'],
};

/** True when the table allows the step. */
export function isLegal(from: VmState, to: VmState): boolean {
  return legal[from].includes(to);
}

/**
 * The one transition function. @throws KelpieError as `illegal`, before anything is touched.
 * @param act what the user asked for, for the sentence: `pause`, `snapshot` …
 */
export function transition(vmName: string, from: VmState, to: VmState, act: string): VmState {
  if (!isLegal(from, to)) throw illegal(vmName, from, act);
  return to;
}

/**
 * The error of an act that the state does not allow: `invalid_state`, or `vm_crashed`, since whoever asked may have seen it run a moment ago.
 * @param reason why it crashed, where that is known.
 */
export function illegal(
  vmName: string,
  state: VmState | 'suspended',
  act: string,
  reason: string | null = null,
): KelpieError {
  if (state === 'crashed') {
    const why = reason === null ? '' : ` (${withoutFullStop(reason)})`;
    return new KelpieError('vm_crashed', `cannot ${act} "${vmName}": it crashed${why}; restore or start it.`);
  }
  // It is there as it was, also after its host's restart: whoever does not find it running is told how it goes on.
  const way = state === 'suspended' ? `; \`kelpie resume ${vmName}\` lets it go on` : '';
  return new KelpieError('invalid_state', `cannot ${act} "${vmName}": it is ${state}${way}.`, {
    data: { state, act },
  });
}
