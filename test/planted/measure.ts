/** How soon planted bugs are found, and by whom when the oracle that found them is not listened to. */
import type { Crew } from '../../src/sim/crew.ts';
import { withPlantedCrew } from '../support/planted.ts';
import type { Measurement } from './measurements.ts';
import { searched, seedsFrom } from './planted-bug.ts';
import type { PlantedBug } from './planted-bug.ts';

/** So often found, its rate is known well enough. */
const FOUND_ENOUGH = 4;
/** Of each oracle, seeds that are looked at again without it. */
const ABLATED_SEEDS = 3;

export interface MeasureOptions {
  readonly seedsMax: number;
  readonly timeMs: number;
}

/** Nothing is left to measure of it. */
export function isMeasured({ seeds, found }: Measurement, seedsMax: number): boolean {
  return seeds >= seedsMax || found.length >= FOUND_ENOUGH;
}

/** Goes on where it stopped. */
export async function measure(
  bug: PlantedBug,
  known: Measurement,
  options: MeasureOptions,
): Promise<Measurement> {
  const endMs = performance.now() + options.timeMs;
  return await withPlantedCrew(bug.edits, async (crew) => {
    let now = known;
    const seeds = seedsFrom(known.seeds + 1, options.seedsMax + 1);
    for await (const { seed, violation } of searched(crew, bug, seeds)) {
      const oracle = violation?.oracle ?? '';
      const isFound = bug.oracles.includes(oracle);
      // Seen once, and looked at, it may come to be expected.
      if (violation !== null && !isFound)
        console.log(`${bug.name}: not expected: ${seed} ${oracle}: ${violation.what}`);
      const found = isFound ? [...now.found, { seed, oracle }] : now.found;
      now = { ...now, seeds: seed, found };
      if (isMeasured(now, options.seedsMax) || performance.now() > endMs) break;
    }
    return { ...now, without: await ablate(crew, bug, now) };
  });
}

async function ablate(crew: Crew, bug: PlantedBug, { found }: Measurement): Promise<Measurement['without']> {
  const without: Record<string, { seed: number; oracle: string | null }[]> = {};
  for (const silent of new Set(found.map(({ oracle }) => oracle))) {
    const showed = found.filter(({ oracle }) => oracle === silent).slice(0, ABLATED_SEEDS);
    const seeds = showed.map(({ seed }) => seed);
    const seen: { seed: number; oracle: string | null }[] = [];
    for await (const { seed, violation } of searched(crew, bug, seeds, [silent]))
      seen.push({ seed, oracle: violation?.oracle ?? null });
    without[silent] = seen;
  }
  return without;
}
