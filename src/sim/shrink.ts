/**
 * Finds the smallest plan that still breaks the same rule: fewer troubles and strikes first, then fewer commands, then a simpler order
 * and world, then rounder times; and all of it again until nothing more can go. Every candidate is a run of its own, so that what comes out
 * is a plan that fails, whatever was guessed on the way.
 */
import type { Crew } from './crew.ts';
import type { Answer } from './jobs.ts';
import { plainHosts } from './firecracker-hosts.ts';
import { noFirecrackers } from './plan.ts';
import type { Plan } from './plan.ts';

const ROUNDS_MAX = 10;
const RUNS_MAX = 5000;

export interface Shrunk {
  readonly plan: Plan;
  readonly answer: Answer;
  readonly runs: number;
}

/** How far it is; for a progress line. */
export type OnShrunk = (plan: Plan, runs: number) => Promise<void>;

export class Shrinker {
  readonly #crew: Crew;
  readonly #onShrunk: OnShrunk;
  readonly #oracle: string;
  #best: Answer;
  #plan: Plan;
  #runs = 0;

  /** @param failure of a run with its plan. */
  constructor(crew: Crew, failure: Answer & { readonly plan: Plan }, oracle: string, onShrunk: OnShrunk) {
    this.#crew = crew;
    this.#best = failure;
    this.#plan = failure.plan;
    this.#oracle = oracle;
    this.#onShrunk = onShrunk;
  }

  async shrink(): Promise<Shrunk> {
    for (let round = 0; round < ROUNDS_MAX; round += 1) {
      const before = JSON.stringify(this.#plan);
      await this.#cutList(
        ({ troubles }) => troubles,
        (plan, troubles) => ({ ...plan, troubles }),
      );
      await this.#cutList(
        ({ strikes }) => strikes ?? [],
        (plan, strikes) => ({ ...plan, strikes }),
      );
      await this.#cutList(actsOf, (plan, acts) => ({ ...plan, acts }));
      for (const simpler of simplerWorlds) await this.#tryEach([simpler(this.#plan)]);
      await this.#roundTimes();
      if (JSON.stringify(this.#plan) === before) break;
    }
    return { plan: this.#plan, answer: this.#best, runs: this.#runs };
  }

  /** Leaves out halves, quarters … single members (delta debugging). */
  async #cutList<T>(
    listOf: (plan: Plan) => readonly T[],
    withList: (plan: Plan, list: readonly T[]) => Plan,
  ): Promise<void> {
    for (let size = listOf(this.#plan).length; size >= 1; size = Math.floor(size / 2)) {
      for (let isCut = true; isCut;) {
        const list = listOf(this.#plan);
        const starts = Array.from({ length: Math.ceil(list.length / size) }, (_, index) => index * size);
        isCut = await this.#tryEach(starts.map((start) => withList(this.#plan, list.toSpliced(start, size))));
      }
    }
  }

  /** Commands that follow each other at once, or after whole seconds. */
  async #roundTimes(): Promise<void> {
    for (const roundedMs of [0, 100, 1000]) {
      const acts = actsOf(this.#plan);
      const all = acts.map((act) => ({ ...act, thinkMs: roundedMs }));
      if (await this.#tryEach([{ ...this.#plan, acts: all }])) return;
    }
    for (const [index] of actsOf(this.#plan).entries()) {
      const acts = actsOf(this.#plan);
      const candidates = [0, 100, 1000].map((thinkMs) => ({
        ...this.#plan,
        acts: acts.map((act, at) => (at === index ? { ...act, thinkMs } : act)),
      }));
      if (acts[index] !== undefined && ![0, 100, 1000].includes(acts[index].thinkMs))
        await this.#tryEach(candidates);
    }
  }

  /** Takes the first of the candidates that fails the same way. They run side by side; which one is taken does not depend on that. */
  async #tryEach(candidates: readonly Plan[]): Promise<boolean> {
    const known = JSON.stringify(this.#plan);
    const fresh = candidates.filter((candidate) => JSON.stringify(candidate) !== known);
    for (let start = 0; start < fresh.length; start += this.#crew.size) {
      if (this.#runs >= RUNS_MAX) return false;
      const some = fresh.slice(start, start + this.#crew.size);
      const answers = await Promise.all(some.map((plan) => this.#run(plan)));
      const index = answers.findIndex(({ violation }) => violation?.oracle === this.#oracle);
      const [plan, answer] = [some[index], answers[index]];
      if (plan === undefined || answer === undefined) continue;
      this.#plan = plan;
      this.#best = answer;
      await this.#onShrunk(plan, this.#runs);
      return true;
    }
    return false;
  }

  #run(plan: Plan): Promise<Answer> {
    this.#runs += 1;
    return this.#crew.run({ plan, wants: [] });
  }
}

/** The plans that are tried for the sake of whoever reads them. */
const simplerWorlds: readonly ((plan: Plan) => Plan)[] = [
  (plan) => ({ ...plan, strategy: 'fifo' }),
  (plan) => ({ ...plan, store: 'directory' }),
  (plan) => ({ ...plan, isEncrypted: false }),
  (plan) => ({ ...plan, firecrackers: noFirecrackers }),
  (plan) => ({ ...plan, firecrackerHosts: plainHosts }),
  (plan) => ({ ...plan, isOneMachine: false }),
  (plan) => ({ ...plan, hasFarImage: true }),
  // The chances say nothing once the strikes are known.
  (plan) => ({ ...plan, chances: {} }),
];

function actsOf({ acts }: Plan): Exclude<Plan['acts'], number> {
  return typeof acts === 'number' ? [] : acts;
}
