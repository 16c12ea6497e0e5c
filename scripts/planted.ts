/**
 * Measures how soon the simulator finds planted bugs (`npm run planted`), and writes the tables of `docs/SIMULATION.md`:
 *
 *     --only TEXT     bugs whose name has it
 *     --seeds N       at most so many seeds of each, all runs together; default 10000
 *     --minutes M     at most so long for each in this run; default 10
 *     --workers N     processes side by side; default: all cores
 *     --again         forgets what was measured of these bugs: the workload, or where they stand, has changed
 *
 * What was measured is kept (`test/planted/measured.json`): a run that is cut loses the bug that it was at. Bugs of which least is known come first.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { inParallel } from '../src/base/in-parallel.ts';
import { plantedBugs } from '../test/planted/catalogue.ts';
import { isMeasured, measure } from '../test/planted/measure.ts';
import { measurementOf, readMeasurements, writeMeasurements } from '../test/planted/measurements.ts';
import type { Measurement } from '../test/planted/measurements.ts';
import { SEEDS_MAX } from '../test/planted/planted-bug.ts';
import { plantedTables } from '../test/planted/tables.ts';

const MINUTE_MS = 60_000;
const page = join(import.meta.dirname, '../docs/SIMULATION.md');
const [begin, end] = ['<!-- planted: begin -->', '<!-- planted: end -->'] as const;

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    seeds: { type: 'string', default: String(SEEDS_MAX) },
    minutes: { type: 'string', default: '10' },
    again: { type: 'boolean', default: false },
    workers: { type: 'string', default: String(availableParallelism()) },
  },
});
const options = {
  seedsMax: Number(values.seeds),
  timeMs: Number(values.minutes) * MINUTE_MS,
};

let writing: Promise<void> = Promise.resolve();
const measurements = await readMeasurements();
const named = plantedBugs
  .filter(({ name }) => name.includes(values.only))
  .map((bug) => ({ bug, known: measurementOf(values.again ? {} : measurements, bug) }));
if (named.length === 0) throw new Error(`no planted bug has "${values.only}" in its name`);
const wanted = named
  .filter(({ known }) => !isMeasured(known, options.seedsMax))
  .toSorted((a, b) => a.known.seeds - b.known.seeds);

const measured = named.length - wanted.length;
if (measured > 0) console.log(`${measured} measured already: --again measures them anew`);

// Each in a process of its own: one that has loaded a bug is of no use for another.
await inParallel(wanted, Number(values.workers), async ({ bug, known }) => {
  const result = await measure(bug, known, options);
  writing = writing.then(() => keep(bug.name, result));
  await writing;
  const found = result.found.map(({ seed, oracle }) => `${seed} ${oracle}`).join(', ');
  console.log(`${bug.name}: ${found === '' ? 'not found' : found} (of ${result.seeds})`);
});

const text = await readFile(page, 'utf8');
const [from, to] = [text.indexOf(begin), text.indexOf(end)];
if (from === -1 || to < from) throw new Error(`${page} has no place for the tables`);
const tables = plantedTables(await readMeasurements());
await writeFile(page, `${text.slice(0, from)}${begin}\n\n${tables}\n\n${text.slice(to)}`);

/** Beside what is there: another run may have measured other bugs meanwhile. */
async function keep(name: string, result: Measurement): Promise<void> {
  await writeMeasurements({ ...(await readMeasurements()), [name]: result });
}
