/**
 * Known bugs are put into the sources: the simulator must find each, by an oracle that is meant for it. It is looked for on the seeds that showed it when it was measured
 * (`npm run planted`), and on others when the workload has changed since.
 */
import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { describe, test } from 'node:test';
import { plantedBugs } from './planted/catalogue.ts';
import { measurementOf, readMeasurements } from './planted/measurements.ts';
import type { Measurement } from './planted/measurements.ts';
import { searched, seedsFrom } from './planted/planted-bug.ts';
import type { PlantedBug } from './planted/planted-bug.ts';
import { altered, withPlantedCrew } from './support/planted.ts';

/** Rarer ones, and those that were not found yet, are only measured: each change of the workload would make for long searches. */
const SEEDS_PER_FINDING_MAX = 40;
const SEEDS_MAX = 1000;

const measurements = await readMeasurements();

function isFrequent({ seeds, found }: Measurement): boolean {
  return found.length > 0 && seeds <= found.length * SEEDS_PER_FINDING_MAX;
}

test('every planted bug can be planted, and what was measured is of one', async () => {
  for (const { edits } of plantedBugs) await altered(edits);
  const names = new Set(plantedBugs.map(({ name }) => name));
  assert.equal(names.size, plantedBugs.length, 'each has a name of its own');
  assert.deepEqual(
    Object.keys(measurements).filter((name) => !names.has(name)),
    [],
  );
});

/** Resolves when an oracle fires that is meant for the bug. @throws AssertionError when none does. */
async function find(bug: PlantedBug, hints: readonly number[]): Promise<void> {
  const seeds = new Set([...hints, ...seedsFrom(1, SEEDS_MAX)]);
  const others = new Set<string>();
  await withPlantedCrew(bug.edits, async (crew) => {
    for await (const { violation } of searched(crew, bug, seeds)) {
      if (violation === null) continue;
      if (bug.oracles.includes(violation.oracle)) return;
      others.add(violation.oracle);
    }
    assert.fail(`missed in ${SEEDS_MAX} seeds; other oracles that fired: ${[...others].join(', ')}`);
  });
}

describe('planted bugs are found', { concurrency: availableParallelism() }, () => {
  for (const bug of plantedBugs) {
    const measured = measurementOf(measurements, bug);
    const hints = measured.found.map(({ seed }) => seed);
    if (isFrequent(measured)) test(bug.name, () => find(bug, hints));
  }
});
