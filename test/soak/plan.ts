/** What happens in a round, as data: a function of the seed and the round's number alone, so that any round can be had again. */
import { Prng } from '../../src/sim/prng.ts';
import { restorePhases, teleportPhases } from '../support/move-phases.ts';

/** The order is the one in which they are told. */
export const faultNames = [
  'none',
  'kill-source-daemon',
  'kill-target-daemon',
  'kill-qemu',
  'kill-command',
  'cut-down',
  'cut-silent',
  'cut-deaf',
  'fill-disk',
] as const;
export type FaultName = (typeof faultNames)[number];

export type Store = 'bucket' | 'directory';

/** The command that is struck. `contest`: both hosts restore at once, and at most one may win. */
export type Act = 'teleport' | 'restore' | 'contest';

export interface Strike {
  readonly fault: FaultName;
  /** Of the command's progress; null: from its beginning. */
  readonly phase: string | null;
  readonly delayMs: number;
  /** Of a cut or a full disk. */
  readonly lastsMs: number;
  /** What a full disk has left. */
  readonly freeBytes: number;
}

export interface RoundPlan {
  readonly round: number;
  readonly store: Store;
  /** A snapshot is taken first: what was counted until then must never be lost. */
  readonly isSnapshotFirst: boolean;
  readonly act: Act;
  readonly strikes: readonly Strike[];
}

export interface PlanOptions {
  readonly seed: number;
  /** Those to draw from. */
  readonly faults: readonly FaultName[];
}

const LASTS_MS_MIN = 200;
/** Long enough for a request to give up (30 s) with what the network needs to come back, and for every retry before. */
const LASTS_MS_MAX = 25_000;
const DELAY_MS_MAX = 1_500;
const FREE_BYTES_MAX = 8_000_000;

/** Every fault comes up once before any comes again; the order differs each time. */
export function planRound(options: PlanOptions, round: number): RoundPlan {
  const lot = Prng.named(options.seed, `round ${round}`);
  const first = dealt(options, round);
  const act = lot.chance(0.5) ? 'teleport' : lot.chance(0.8) ? 'restore' : 'contest';
  const strikes = first === 'none' ? [] : [drawStrike(lot, act, first)];
  const others = options.faults.filter((fault) => fault !== 'none' && kindOf(fault) !== kindOf(first));
  if (strikes.length > 0 && others.length > 0 && lot.chance(0.2))
    strikes.push(drawStrike(lot, act, lot.pick(others)));
  const isCut = strikes.some(({ fault }) => isNetworkFault(fault));
  return {
    round,
    store: !isCut && lot.chance(0.25) ? 'directory' : 'bucket',
    isSnapshotFirst: lot.chance(0.25),
    act,
    strikes,
  };
}

export function isNetworkFault(fault: FaultName): boolean {
  return fault.startsWith('cut-');
}

/** Two of a kind at once would end each other. */
function kindOf(fault: FaultName): string {
  return isNetworkFault(fault) ? 'cut' : fault;
}

/** For people: `teleport to bucket, kill-qemu in publish memory + 132 ms`. */
export function describePlan({ store, isSnapshotFirst, act, strikes }: RoundPlan): string {
  const told = strikes.map(({ fault, phase, delayMs, lastsMs }) => {
    const lasting = isNetworkFault(fault) || fault === 'fill-disk' ? ` for ${lastsMs} ms` : '';
    return `${fault} in ${phase ?? 'the beginning'} + ${delayMs} ms${lasting}`;
  });
  const first = isSnapshotFirst ? 'snapshot, ' : '';
  return `${first}${act} ${act === 'teleport' ? 'to' : 'from'} ${store}: ${told.length === 0 ? 'no fault' : told.join(' and ')}`;
}

/** Where the fault has something to meet: a restore has no QEMU before it starts one. */
function phasesFor(act: Act, fault: FaultName): readonly string[] {
  if (act === 'teleport') return teleportPhases;
  return fault === 'kill-qemu' ? restorePhases.slice(restorePhases.indexOf('process')) : restorePhases;
}

function dealt({ seed, faults }: PlanOptions, round: number): FaultName {
  const deck = [...faults];
  const lot = Prng.named(seed, `deck ${Math.floor((round - 1) / faults.length)}`);
  for (let left = (round - 1) % faults.length; ; left -= 1) {
    const [card = 'none'] = deck.splice(lot.below(deck.length), 1);
    if (left === 0) return card;
  }
}

function drawStrike(lot: Prng, act: Act, fault: FaultName): Strike {
  return {
    fault,
    phase: lot.chance(0.1) ? null : lot.pick(phasesFor(act, fault)),
    // Half of them within 190 ms: most phases are short.
    delayMs: Math.floor(DELAY_MS_MAX * lot.fraction() ** 3),
    lastsMs: Math.round(LASTS_MS_MIN * (LASTS_MS_MAX / LASTS_MS_MIN) ** lot.fraction()),
    freeBytes: lot.chance(0.5) ? 0 : lot.below(FREE_BYTES_MAX),
  };
}
