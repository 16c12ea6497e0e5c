/** Tries mutants, one after the other, in a process whose sources have them all (`mutants.ts`). Asked by its parent, which ends it when it hangs. */
import { force, meeting } from './switch.ts';
import { registerHooks } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { takeTests } from './harness.ts';
import type { CollectedTest } from './harness.ts';
import type { Answer, Question, Trial } from './trial.ts';

const root = join(import.meta.dirname, '../..');
const harness = pathToFileURL(join(import.meta.dirname, 'harness.ts')).href;
/** Of one test; those that are tried take a fraction of it. */
const TEST_MS_MAX = 120_000;

registerHooks({
  resolve: (specifier, context, next) =>
    specifier === 'node:test' ? { url: harness, shortCircuit: true } : next(specifier, context),
});
// A mutant leaves promises behind that nobody waits for any more: whoever fails of them says nothing about the next one.
process.on('unhandledRejection', () => undefined);

type Try = Extract<Question, { readonly kind: 'try' }>;

const tests = new Map<string, CollectedTest>();

async function load(files: readonly string[]): Promise<void> {
  for (const file of files) {
    await import(pathToFileURL(join(root, file)).href);
    for (const test of takeTests()) tests.set(`${file}: ${test.name}`, test);
  }
}

async function run(test: CollectedTest): Promise<void> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error('too late')), TEST_MS_MAX);
  try {
    await Promise.race([test.run(), late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Which mutants each test meets, and how long it takes. One that fails is of no use here. */
async function cover(): Promise<readonly Trial[]> {
  const trials: Trial[] = [];
  for (const [name, test] of tests) {
    try {
      const startMs = performance.now();
      const met = await meeting(() => run(test));
      const durationMs = performance.now() - startMs;
      trials.push({ name, met: [...met], durationMs });
    } catch {
      trials.push({ name, met: [], durationMs: null });
    }
  }
  return trials;
}

/** The first test that fails; null when none does. */
async function kill({ mutant, tests: names, isFresh }: Try): Promise<string | null> {
  for (const name of names) {
    const test = tests.get(name);
    if (test === undefined) continue;
    force(mutant);
    try {
      await run(test);
    } catch {
      force(null);
      // What a mutant before left behind may make it fail too.
      if (!isFresh) await run(test);
      return name;
    }
    force(null);
  }
  return null;
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
