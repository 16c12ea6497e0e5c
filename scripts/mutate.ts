/**
 * Mutation testing of the ownership and publish protocol (`npm run mutate`): small mistakes are made one by one, and the tests are to notice each.
 *
 *     --only TEXT      files whose path has it
 *     --workers N      processes side by side; default 2
 *     --minutes M      begins no mutant after that; default 600
 *     --again          survivors of the last time are tried again: tests have come since
 *     --report         only says what is known
 *
 * What was tried is kept in `.cache/`; it ends with the score of each file and its survivors, with the place of each.
 */
import { createHash } from 'node:crypto';
import { globSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { withSources } from '../test/support/planted.ts';
import { KeptJson } from './mutate/kept-json.ts';
import { mutate } from './mutate/mutants.ts';
import type { Mutant } from './mutate/mutants.ts';
import { Outcomes } from './mutate/outcomes.ts';
import { report } from './mutate/report.ts';
import { mutatedFiles, testPatterns, worldsFile } from './mutate/sets.ts';
import { trialsSchema } from './mutate/trial.ts';
import type { Trial } from './mutate/trial.ts';
import { cover, tryAll } from './mutate/try-all.ts';

const MINUTE_MS = 60_000;
const root = join(import.meta.dirname, '..');

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    workers: { type: 'string', default: '2' },
    minutes: { type: 'string', default: '600' },
    again: { type: 'boolean', default: false },
    report: { type: 'boolean', default: false },
  },
});

const outcomes = await Outcomes.read();
const sources = new Map<string, string>();
const mutants: Mutant[] = [];
for (const file of mutatedFiles.filter((path) => path.includes(values.only))) {
  const text = await readFile(join(root, file), 'utf8');
  const mutated = mutate(file, text, mutants.length);
  outcomes.begin(file, text);
  sources.set(file, mutated.text);
  mutants.push(...mutated.mutants);
}

if (!values.report) {
  const files = [
    ...testPatterns.flatMap((pattern) => globSync(pattern, { cwd: root })),
    worldsFile,
  ].toSorted();
  const endMs = performance.now() + Number(values.minutes) * MINUTE_MS;
  await withSources(sources, async (environment) => {
    const trials = await coverOnce(mutants, environment, files);
    const isWanted = ({ file, index }: Mutant): boolean => {
      const known = outcomes.of(file, index);
      return known === undefined || (values.again && known === null);
    };
    // Scattered, so that a run that is cut has tried some of each kind and file.
    const wanted = mutants.filter(isWanted).toSorted((a, b) => scattered(a) - scattered(b));
    console.log(`${mutants.length} mutants, ${wanted.length} to try, with ${trials.length} tests`);
    await tryAll(
      { environment, files, trials, mutants, outcomes, endMs, workers: Number(values.workers) },
      wanted,
    );
  });
}
console.log(report(mutants, outcomes));

function scattered({ id }: Mutant): number {
  return Math.imul(id + 1, 0x9e3779b1) >>> 0;
}

/** Kept too, for as long as neither what is mutated nor a test has changed. */
async function coverOnce(
  all: readonly Mutant[],
  environment: Readonly<Record<string, string>>,
  files: readonly string[],
): Promise<readonly Trial[]> {
  const hash = createHash('sha256').update(JSON.stringify(all));
  for (const file of files) hash.update(await readFile(join(root, file)));
  const digest = hash.digest('hex');
  const kept = new KeptJson(join(root, '.cache/mutant-trials.json'), trialsSchema);
  const known = await kept.read();
  if (known?.digest === digest) return known.trials;
  const trials = await cover(environment, files, Number(values.workers));
  await kept.write({ digest, trials });
  return trials;
}
