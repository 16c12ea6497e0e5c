/** What a planted bug is, and how one is looked for. */
import { ahead } from '../../src/base/ahead.ts';
import type { Crew } from '../../src/sim/crew.ts';
import type { Answer } from '../../src/sim/jobs.ts';
import type { FaultName } from '../../src/sim/fault-names.ts';
import { drawPlan } from '../../src/sim/plan.ts';
import type { Choice, StoreKind, WorkloadName } from '../../src/sim/plan.ts';
import type { Edit } from '../support/planted.ts';

/** A bug counts as found when one of so many seeds shows it. */
export const SEEDS_MAX = 10_000;

export interface PlantedBug {
  /** Unique; what is wrong, in few words. */
  readonly name: string;
  readonly edits: readonly Edit[];
  /** One of these must fire first. */
  readonly oracles: readonly string[];
  /** Default: `people`. */
  readonly workload?: WorkloadName;
  /** Only these are drawn, as by `kelpie sim --faults`: whoever has changed what stands against them looks there. Default: every one. */
  readonly faults?: readonly FaultName[];
  /** As by `kelpie sim --store`. Default: drawn. */
  readonly store?: StoreKind;
}

/** The options of `kelpie sim` by which its worlds are asked for, without those that are the default; empty for none. */
export function worldsText({ workload, faults, store }: PlantedBug): string {
  const options = [
    ...(workload === undefined ? [] : [`--workload ${workload}`]),
    ...(faults === undefined ? [] : [`--faults ${faults.length === 0 ? 'none' : faults.join(',')}`]),
    ...(store === undefined ? [] : [`--store ${store}`]),
  ];
  return options.join(' ');
}

/**
 * What the seeds give of the bug's workload, in their order; ends when it is left.
 * @param silenced oracles that nobody listens to.
 */
export async function* searched(
  crew: Crew,
  { workload = 'people', faults, store }: PlantedBug,
  seeds: Iterable<number>,
  silenced: readonly string[] = [],
): AsyncGenerator<Answer, void> {
  const choice: Choice = {
    faults: faults === undefined ? null : new Set(faults),
    workload,
    ...(store === undefined ? {} : { store }),
  };
  yield* ahead(seeds, crew.ahead, (seed, signal) =>
    crew.run({ plan: drawPlan(seed, choice), wants: [], silenced }, signal),
  );
}

/** `from`, `from + 1` … without `end`. */
export function* seedsFrom(from: number, end: number): Generator<number, void> {
  for (let seed = from; seed < end; seed += 1) yield seed;
}
