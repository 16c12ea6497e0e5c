/** Tries mutants, one after the other, in a process whose sources have them all (`mutants.ts`). Asked by its parent, which ends it when it hangs. */
import { force, meeting } from './switch.ts';
import { registerHooks } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { setImmediate } from 'node:timers/promises';
import { takeTests } from './harness.ts';
import type { CollectedTest } from './harness.ts';
import { afterSeen } from './patience.ts';
import type { Answer, Question, Trial } from './trial.ts';

const root = join(import.meta.dirname, '../..');
const harness = pathToFileURL(join(import.meta.dirname, 'harness.ts')).href;
/** Of one test without mutants; a slower one is of no use. With a mutant it may take so many times longer than then, and this long more. */
const TEST_MS_MAX = 120_000;
const SLOWNESS = 5;
const TEST_SPARE_MS = 10_000;

registerHooks({
  resolve: (specifier, context, next) =>
    specifier === 'node:test' ? { url: harness, shortCircuit: true } : next(specifier, context),
});
/** Rejections that nobody waited for: the real runner, and the daemon's process, fail of them. */
const strays: unknown[] = [];
process.on('unhandledRejection', (error) => strays.push(error));

type Try = Extract<Question, { readonly kind: 'try' }>;

const tests = new Map<string, CollectedTest>();

async function load(files: readonly string[]): Promise<void> {
  for (const file of files) {
    await import(pathToFileURL(join(root, file)).href);
    for (const test of takeTests()) tests.set(`${file}: ${test.name}`, test);
  }
}

async function run(test: CollectedTest, limitMs: number): Promise<void> {
  const late = Promise.withResolvers<never>();
  const endWait = afterSeen(limitMs, () => late.reject(new Error('too late')));
  strays.length = 0;
  try {
    await Promise.race([test.run(), late.promise]);
  } finally {
    endWait();
  }
  // What is rejected without anybody waiting is told between two turns.
  await setImmediate();
  if (strays.length > 0) throw strays[0];
}

/** Which mutants each test meets, and how long it takes. One that fails is of no use here. */
async function cover(): Promise<readonly Trial[]> {
  const trials: Trial[] = [];
  for (const [name, test] of tests) {
    try {
      const startMs = performance.now();
      const met = await meeting(() => run(test, TEST_MS_MAX));
      const durationMs = performance.now() - startMs;
      trials.push({ name, met: [...met], durationMs });
    } catch (error) {
      console.error(`${name}:`, error);
      trials.push({ name, met: [], durationMs: null });
    }
  }
  return trials;
}

/** The first test that fails; null when none does. */
async function kill({ mutant, tests: tried, isFresh }: Try): Promise<string | null> {
  for (const { name, durationMs } of tried) {
    const test = tests.get(name);
    if (test === undefined) continue;
    const limitMs = durationMs * SLOWNESS + TEST_SPARE_MS;
    const end = await tryOnce(test, limitMs, mutant);
    if (end === 'passes') continue;
    // What a mutant before left behind may make it fail too, for ever or this once.
    if (!isFresh) await run(test, limitMs);
    if (isFresh || end === 'fails' || (await tryOnce(test, limitMs, mutant)) !== 'passes') return name;
  }
  return null;
}

/** `strays`: only by what nobody waited for. */
async function tryOnce(
  test: CollectedTest,
  limitMs: number,
  mutant: number,
): Promise<'passes' | 'fails' | 'strays'> {
  force(mutant);
  try {
    await run(test, limitMs);
    return 'passes';
  } catch (error) {
    return strays.includes(error) ? 'strays' : 'fails';
  } finally {
    force(null);
  }
}

async function answer(question: Question): Promise<Answer> {
  if (question.kind === 'load') {
    force(question.forced);
    await load(question.files);
    force(null);
    return { kind: 'loaded', trials: question.covers ? await cover() : [] };
  }
  return { kind: 'tried', killedBy: await kill(question) };
}

process.on('message', (question: Question) => {
  answer(question).then(
    (said) => process.send?.(said),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
});
