/**
 * Mutation testing of the ownership and publish protocol (`npm run mutate`): small mistakes are made one by one, and the tests are to notice each.
 *
 *     --only TEXT      files whose path has it
 *     --sample N       of all files so many, scattered over them, and the same ones for as long as the code they are of is the same; default: all
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
import { cover } from './mutate/cover.ts';
import { isEquivalent } from './mutate/equivalents.ts';
import { mutate } from './mutate/mutants.ts';
import type { Mutant } from './mutate/mutants.ts';
import { Outcomes } from './mutate/outcomes.ts';
import { findRefused } from './mutate/refused.ts';
import { report } from './mutate/report.ts';
import { scatter } from './mutate/scatter.ts';
import { mutatedFiles, testPatterns, worldsFile } from './mutate/sets.ts';
import { tryAll } from './mutate/try-all.ts';
import { root } from './run-node.ts';

const MINUTE_MS = 60_000;

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    sample: { type: 'string', default: 'Infinity' },
    workers: { type: 'string', default: '2' },
    minutes: { type: 'string', default: '600' },
    again: { type: 'boolean', default: false },
    report: { type: 'boolean', default: false },
  },
});

const outcomes = await Outcomes.read();
const sources = new Map<string, string>();
const mutated = new Map<string, string>();
const all: Mutant[] = [];
for (const file of mutatedFiles) {
  const text = await readFile(join(root, file), 'utf8');
  const made = mutate(file, text, all.length);
  outcomes.begin(file, text);
  sources.set(file, text);
  mutated.set(file, made.text);
  all.push(...made.mutants);
}
const mutants = scatter(all)
  .slice(0, Number(values.sample))
  .filter(({ file }) => file.includes(values.only));

if (!values.report) {
  const endMs = performance.now() + Number(values.minutes) * MINUTE_MS;
  await judge();
  const wanted = mutants.filter(isWanted);
  const files = [
    ...testPatterns.flatMap((pattern) => globSync(pattern, { cwd: root })),
    worldsFile,
  ].toSorted();
  const digest = createHash('sha256')
    .update(JSON.stringify([...mutated]))
    .digest('hex');
  const workers = Number(values.workers);
  await withSources(mutated, async (environment) => {
    const trials = await cover({ environment, files, digest, workers });
    console.log(`${mutants.length} mutants, ${wanted.length} to try, with ${trials.length} tests`);
    await tryAll({ environment, files, trials, mutants: all, outcomes, endMs, workers }, wanted);
  });
}
console.log(
  report(
    mutants.toSorted((a, b) => a.id - b.id),
    outcomes,
  ),
);

async function judge(): Promise<void> {
  const unjudged = new Map([...sources].filter(([file]) => outcomes.isUnjudged(file)));
  if (unjudged.size === 0) return;
  const tools = await findRefused(unjudged, all);
  const refused = all.flatMap(({ id, file, index }) => {
    const by = tools.get(id);
    return by === undefined ? [] : [{ file, index, by }];
  });
  await outcomes.judge(unjudged.keys(), refused);
}

function isWanted(mutant: Mutant): boolean {
  const known = outcomes.of(mutant.file, mutant.index);
  if (known !== undefined && !(values.again && known.kind === 'survived')) return false;
  return !isEquivalent(mutant);
}
