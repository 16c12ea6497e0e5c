/**
 * Everything that must hold, in one command.
 *
 *     check.ts          the static checks and the tests beside the sources (`npm run check`, under 90 s)
 *     check.ts --all    those, and the suites of test/ with real VMs (`npm test`)
 *
 * A failed check does not keep the later ones from running. What Node's test runner says stands last.
 */
import { spawn } from 'node:child_process';
import { globSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

/** One test, not one file; a test that needs longer says so itself. */
const UNIT_TEST_TIMEOUT_MS = 30_000;
const SUITE_TEST_TIMEOUT_MS = 300_000;

const root = join(import.meta.dirname, '..');

interface Check {
  readonly name: string;
  readonly args: readonly string[];
  /** What a person runs to mend it, or to see it alone. */
  readonly hint: string;
}

const checks: readonly Check[] = [
  { name: 'types', args: ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json'], hint: 'npm run types' },
  { name: 'lint', args: ['node_modules/oxlint/bin/oxlint'], hint: 'npm run lint' },
  { name: 'tidy', args: ['scripts/tidy/main.ts'], hint: 'npm run lint' },
  {
    name: 'format',
    args: ['node_modules/prettier/bin/prettier.cjs', '--check', '--log-level=warn', '.'],
    hint: 'npm run format',
  },
  { name: 'unused', args: ['node_modules/knip/bin/knip.js', '--no-progress'], hint: 'npm run unused' },
];

interface Outcome {
  readonly exitCode: number;
  readonly output: string;
}

/** Runs Node with `args`; its output is kept, and passed on at once unless `isQuiet`. */
function runNode(args: readonly string[], isQuiet: boolean): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    // Test files load the same modules again and again: 0.1 s each without the cache.
    const env = { ...process.env, NODE_COMPILE_CACHE: join(root, '.cache/compiled') };
    const child = spawn(process.execPath, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk;
      if (!isQuiet) process.stdout.write(chunk);
    });
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      if (isQuiet) output += chunk;
      else process.stderr.write(chunk);
    });
    child.on('error', reject);
    child.on('close', (code) => {
      resolve({ exitCode: code ?? 1, output });
    });
  });
}

async function runCheck(check: Check): Promise<boolean> {
  const startMs = performance.now();
  const { exitCode, output } = await runNode(check.args, true);
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
  const isOk = exitCode === 0;
  console.log(`${isOk ? 'ok    ' : 'FAILED'} ${check.name} (${seconds} s)${isOk ? '' : `: ${check.hint}`}`);
  if (!isOk) console.log(output.trimEnd());
  return isOk;
}

/**
 * Suites that have the machine for themselves: two emulated VMs on two cores make each other's time limits meaningless, and worlds that are
 * simulated on all cores gain nothing from company.
 */
const ALONE = /^test\/(?:cli-|demo|guest-agent\.|object-store-s3|sim-|vm-)/;

interface TestRun {
  readonly files: readonly string[];
  readonly filesAtOnce: number;
  readonly timeoutMs: number;
}

/** What the runner says of each run goes through; what it says of all of them together stands last, in its own words. */
async function runTests(isAll: boolean): Promise<boolean> {
  const sources = globSync(['scripts/**/*.test.ts', 'src/**/*.test.ts'], { cwd: root }).toSorted();
  const suites = isAll ? globSync('test/**/*.test.ts', { cwd: root }).toSorted() : [];
  const together = suites.filter((file) => !ALONE.test(file));
  const alone = suites.filter((file) => ALONE.test(file));
  const filesAtOnce = availableParallelism();
  const runs: readonly TestRun[] = [
    { files: sources, filesAtOnce, timeoutMs: UNIT_TEST_TIMEOUT_MS },
    { files: together, filesAtOnce, timeoutMs: SUITE_TEST_TIMEOUT_MS },
    { files: alone, filesAtOnce: 1, timeoutMs: SUITE_TEST_TIMEOUT_MS },
  ];
  const outcomes: Outcome[] = [];
  for (const run of runs) if (run.files.length > 0) outcomes.push(await runTestFiles(run));
  if (outcomes.length > 1) console.log(`\nall of them:\n${addUp(outcomes.map(({ output }) => output))}`);
  return outcomes.every(({ exitCode }) => exitCode === 0);
}

async function runTestFiles({ files, filesAtOnce, timeoutMs }: TestRun): Promise<Outcome> {
  const options = [`--test-timeout=${timeoutMs}`, `--test-concurrency=${filesAtOnce}`];
  const limit = ['--import', join(root, 'scripts/test-file-limit.ts')];
  return await runNode(['--test', '--test-reporter=spec', ...limit, ...options, ...files], false);
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
for (const check of checks) results.push(await runCheck(check));
results.push(await runTests(process.argv.includes('--all')));
process.exitCode = results.every(Boolean) ? 0 : 1;
