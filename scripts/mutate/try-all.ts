/** Tries mutants with the tests that meet them until one fails: those of the mutant's file, quick others, a few simulated worlds. */
import type { Mutant } from './mutants.ts';
import type { Outcome, Outcomes } from './outcomes.ts';
import { worldsFile } from './sets.ts';
import { Trier } from './trier.ts';
import type { Trial } from './trial.ts';

const LOAD_MS_MAX = 300_000;
/** Tests of one mutant beside those of its own file, all together, as they took when nothing was mutated. */
const TESTS_MS_MAX = 10_000;
/** Simulated worlds of one mutant. */
const WORLDS_MAX = 5;
/** An answer may take so many times longer than that, and this long more. */
const SLOWNESS = 4;
const ANSWER_SPARE_MS = 60_000;
/** Memory that mutants left behind is given back. */
const TRIES_PER_PROCESS = 150;

export interface Trying {
  readonly environment: Readonly<Record<string, string>>;
  readonly files: readonly string[];
  readonly trials: readonly Trial[];
  /** All that the sources have. */
  readonly mutants: readonly Mutant[];
  readonly outcomes: Outcomes;
  /** Nothing begins after that. */
  readonly endMs: number;
  readonly workers: number;
}

export async function tryAll(trying: Trying, mutants: readonly Mutant[]): Promise<void> {
  const queue = [...mutants];
  await Promise.all(Array.from({ length: trying.workers }, () => new Lane(trying).work(queue)));
}

/** One process after the other, one mutant after the other. */
class Lane {
  readonly #trying: Trying;
  #trier: Trier | null = null;
  #tries = 0;

  constructor(trying: Trying) {
    this.#trying = trying;
  }

  async work(queue: Mutant[]): Promise<void> {
    try {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        if (performance.now() > this.#trying.endMs) return;
        const outcome = await this.#try(next);
        await this.#trying.outcomes.set(next.file, next.index, outcome);
        const end = outcome.kind === 'killed' ? `killed by ${outcome.by}` : 'SURVIVED';
        console.log(`${next.file}:${next.line} ${next.kind} ${next.was}: ${end}`);
      }
    } finally {
      await this.#trier?.end();
    }
  }

  async #try(mutant: Mutant): Promise<Outcome> {
    const tests = this.#testsOf(mutant);
    if (tests.length === 0) return { kind: 'survived' };
    const isAlone = mutant.isStatic || this.#tries >= TRIES_PER_PROCESS;
    let killer = await this.#ask(mutant, tests, isAlone);
    // It ended: perhaps for this mutant, perhaps for what one before had left behind.
    if (killer === 'ended') killer = await this.#ask(mutant, tests, true);
    return killer === null ? { kind: 'survived' } : { kind: 'killed', by: killer };
  }

  /** Who kills it; null when nobody does. */
  async #ask(mutant: Mutant, tests: readonly TimedTrial[], isAlone: boolean): Promise<string | null> {
    const isFresh = isAlone || this.#trier === null;
    const trier = isFresh ? await this.#begin(mutant.isStatic ? mutant.id : null) : this.#trier;
    if (trier === null) return 'ended';
    this.#tries += 1;
    const expectedMs = tests.reduce((sum, { durationMs }) => sum + durationMs, 0);
    const answer = await trier.ask(
      {
        kind: 'try',
        mutant: mutant.id,
        tests: tests.map(({ name, durationMs }) => ({ name, durationMs })),
        isFresh,
      },
      expectedMs * SLOWNESS + ANSWER_SPARE_MS,
    );
    if (answer === 'ended' || answer === 'late' || mutant.isStatic) await this.#drop();
    if (answer === 'ended' || answer === 'late') return answer;
    return answer.kind === 'tried' ? answer.killedBy : 'ended';
  }

  /** Null: what is loaded with the mutant does not load. */
  async #begin(forced: number | null): Promise<Trier | null> {
    await this.#drop();
    const trier = new Trier(this.#trying.environment);
    this.#trier = trier;
    const { files } = this.#trying;
    const answer = await trier.ask({ kind: 'load', files, forced, covers: false }, LOAD_MS_MAX);
    if (answer !== 'ended' && answer !== 'late') return trier;
    if (forced === null) throw new Error(`the tests cannot be loaded: ${trier.words}`);
    await this.#drop();
    return null;
  }

  async #drop(): Promise<void> {
    await this.#trier?.end();
    this.#trier = null;
    this.#tries = 0;
  }

  #testsOf({ id, file, isStatic }: Mutant): readonly TimedTrial[] {
    // What runs at load meets no test: those of its file are tried.
    const ids = new Set(
      isStatic ? this.#trying.mutants.filter((one) => one.file === file).map((one) => one.id) : [id],
    );
    const meeting = this.#trying.trials.filter(isTimed).filter(({ met }) => met.some((one) => ids.has(one)));
    const [worlds, others] = parted(meeting.toSorted(byPrice), ({ name }) => name.startsWith(worldsFile));
    const [own, rest] = parted(others, ({ name }) => name.startsWith(file.replace(/\.ts$/, '.test.ts')));
    let leftMs = TESTS_MS_MAX;
    const cheap = rest.filter(({ durationMs }) => (leftMs -= durationMs) > 0);
    // A test of the file knows most about it; many that meet it do so on their way to something else.
    return [...own, ...cheap, ...worlds.slice(0, WORLDS_MAX)];
  }
}

function byPrice(a: TimedTrial, b: TimedTrial): number {
  return a.durationMs - b.durationMs;
}

function parted<T>(
  items: readonly T[],
  isFirst: (item: T) => boolean,
): readonly [readonly T[], readonly T[]] {
  return [items.filter(isFirst), items.filter((item) => !isFirst(item))];
}

type TimedTrial = Trial & { readonly durationMs: number };

function isTimed(trial: Trial): trial is TimedTrial {
  return trial.durationMs !== null;
}
