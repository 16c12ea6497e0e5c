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
import { join } from 'node:path';

/** One test, not one file; a test that needs longer says so itself. */
const UNIT_TEST_TIMEOUT_MS = 30_000;
const VM_TEST_TIMEOUT_MS = 300_000;

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

/** Runs Node with `args`; its output is passed on at once, or kept when `isQuiet`. */
function runNode(args: readonly string[], isQuiet: boolean): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    // Test files load the same modules again and again: 0.1 s each without the cache.
    const env = { ...process.env, NODE_COMPILE_CACHE: join(root, '.cache/compiled') };
    const child = spawn(process.execPath, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      if (isQuiet) output += chunk.toString();
      else process.stdout.write(chunk);
    });
    child.stderr.on('data', (chunk: Buffer) => {
      if (isQuiet) output += chunk.toString();
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

async function runTests(isAll: boolean): Promise<boolean> {
  const patterns = ['scripts/**/*.test.ts', 'src/**/*.test.ts', ...(isAll ? ['test/**/*.test.ts'] : [])];
  const files = globSync(patterns, { cwd: root }).toSorted();
  // One at a time with VMs: two emulated machines on two cores make each other's time limits meaningless.
  const options = isAll
    ? [`--test-timeout=${VM_TEST_TIMEOUT_MS}`, '--test-concurrency=1']
    : [`--test-timeout=${UNIT_TEST_TIMEOUT_MS}`];
  const limit = ['--import', join(root, 'scripts/test-file-limit.ts')];
  const args = ['--test', '--test-reporter=spec', ...limit, ...options, ...files];
  const { exitCode } = await runNode(args, false);
  return exitCode === 0;
}

const results: boolean[] = [];
for (const check of checks) results.push(await runCheck(check));
results.push(await runTests(process.argv.includes('--all')));
process.exitCode = results.every(Boolean) ? 0 : 1;
