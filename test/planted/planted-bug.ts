/** What a planted bug is, and how one is looked for. */
import { ahead } from '../../src/base/ahead.ts';
import type { Crew } from '../../src/sim/crew.ts';
import type { Answer } from '../../src/sim/jobs.ts';
import { drawPlan } from '../../src/sim/plan.ts';
import type { WorkloadName } from '../../src/sim/plan.ts';
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
}

/**
 * What the seeds give of the bug's workload, in their order; ends when it is left.
 * @param silenced oracles that nobody listens to.
 */
export async function* searched(
  crew: Crew,
  { workload = 'people' }: PlantedBug,
  seeds: Iterable<number>,
  silenced: readonly string[] = [],
): AsyncGenerator<Answer, void> {
  yield* ahead(seeds, crew.ahead, (seed, signal) =>
    crew.run({ plan: drawPlan(seed, { faults: null, workload }), wants: [], silenced }, signal),
  );
}

/** `from`, `from + 1` … without `end`. */
export function* seedsFrom(from: number, end: number): Generator<number, void> {
  for (let seed = from; seed < end; seed += 1) yield seed;
}
