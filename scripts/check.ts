/**
 * Everything that must hold, in one command.
 *
 *     check.ts          the static checks and the tests beside the sources (`npm run check`, under 90 s)
 *     check.ts --all    those, and the suites of test/ with real VMs (`npm test`)
 *
 * A failed check does not keep the later ones from running. What Node's test runner says stands last.
 */
import { globSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { inParallel } from '../src/base/in-parallel.ts';
import { root, runNode } from './run-node.ts';
import type { Outcome } from './run-node.ts';
import { runSuites, slowest, testArguments } from './test-lanes.ts';

/** One test, not one file; a test that needs longer says so itself. */
const UNIT_TEST_TIMEOUT_MS = 30_000;

interface Check {
  readonly name: string;
  readonly args: readonly string[];
  /** What a person runs to mend it, or to see it alone. */
  readonly hint: string;
}

const checks: readonly Check[] = [
  {
    name: 'format',
    // By content: a new checkout has new times. Without what it remembers it takes five times as long.
    args: [
      'node_modules/prettier/bin/prettier.cjs',
      '--check',
      '--log-level=warn',
      '--cache',
      '--cache-strategy=content',
      '--cache-location=.cache/prettier',
      '.',
    ],
    hint: 'npm run format',
  },
  {
    name: 'types',
    args: [
      'node_modules/typescript/bin/tsc',
      '-p',
      'tsconfig.json',
      '--incremental',
      '--tsBuildInfoFile',
      '.cache/types.tsbuildinfo',
    ],
    hint: 'npm run types',
  },
  { name: 'lint', args: ['node_modules/oxlint/bin/oxlint'], hint: 'npm run lint' },
  { name: 'tidy', args: ['scripts/tidy/main.ts'], hint: 'npm run lint' },
  { name: 'unused', args: ['node_modules/knip/bin/knip.js', '--no-progress'], hint: 'npm run unused' },
];

async function runCheck(check: Check): Promise<boolean> {
  const startMs = performance.now();
  const { exitCode, output } = await runNode({ args: check.args, isShown: false });
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
  const isOk = exitCode === 0;
  console.log(`${isOk ? 'ok    ' : 'FAILED'} ${check.name} (${seconds} s)${isOk ? '' : `: ${check.hint}`}`);
  if (!isOk) console.log(output.trimEnd());
  return isOk;
}

/** What the runner says of all files together stands last, in its own words. */
async function runTests(isAll: boolean): Promise<boolean> {
  const sources = globSync(['scripts/**/*.test.ts', 'src/**/*.test.ts'], { cwd: root }).toSorted();
  const limits = { filesAtOnce: availableParallelism(), timeoutMs: UNIT_TEST_TIMEOUT_MS };
  const units = await runNode({ args: testArguments(sources, limits), isShown: true });
  if (!isAll) return units.exitCode === 0;
  const suites = await runSuites(globSync('test/**/*.test.ts', { cwd: root }).toSorted());
  const outcomes: readonly Outcome[] = [units, ...suites];
  const failures = outcomes.flatMap(({ output }) => /^✖ failing tests:$.*/ms.exec(output) ?? []);
  console.log(`\nslowest:\n${slowest(suites)}\n\n${failures.join('\n')}`);
  console.log(`\nall of them:\n${addUp(outcomes.map(({ output }) => output))}`);
  return outcomes.every(({ exitCode }) => exitCode === 0);
}

/** The runner's last words, `ℹ pass 12`, each the sum of those of all runs. */
function addUp(outputs: readonly string[]): string {
  const sums = new Map<string, number>();
  for (const output of outputs)
    for (const [, name = '', value] of output.matchAll(/^ℹ ([a-z_]+) ([\d.]+)$/gm))
      sums.set(name, (sums.get(name) ?? 0) + Number(value));
  return [...sums].map(([name, sum]) => `ℹ ${name} ${sum}`).join('\n');
}

const results: boolean[] = [];
// Most of them keep one core busy, and the slowest is begun first.
await inParallel(checks, availableParallelism(), async (check) => {
  results.push(await runCheck(check));
});
results.push(await runTests(process.argv.includes('--all')));
process.exitCode = results.every(Boolean) ? 0 : 1;
