/** What a campaign of seeds gave, whoever ran them. */
import { noFaultCounts } from './faults.ts';
import type { FaultCount } from './faults.ts';
import { isFaultName } from './fault-names.ts';
import type { Answer } from './jobs.ts';
import { RollingHash } from './rolling-hash.ts';

export interface Failure {
  readonly seed: number;
  readonly oracle: string;
  readonly what: string;
}

export interface Summary {
  readonly seeds: number;
  readonly failed: readonly Failure[];
  readonly seedsPerSecond: number;
  readonly simulatedSeconds: number;
  readonly steps: number;
  readonly faults: Readonly<Record<string, FaultCount>>;
  readonly sometimes: Readonly<Record<string, number>>;
  /** Of all seeds, in order: two campaigns of the same seeds have the same. */
  readonly hash: string;
}

export class Report {
  readonly #hash = new RollingHash();
  readonly #failed: Failure[] = [];
  readonly #faults = noFaultCounts();
  readonly #sometimes = new Map<string, number>();
  #seeds = 0;
  #simulatedMs = 0;
  #steps = 0;

  /** In the order of the seeds. */
  add(answer: Answer): void {
    this.#seeds += 1;
    this.#simulatedMs += answer.simulatedMs;
    this.#steps += answer.steps;
    this.#hash.addWord(answer.hash);
    if (answer.violation !== null) this.#failed.push({ seed: answer.seed, ...answer.violation });
    for (const [name, count] of Object.entries(answer.faults)) {
      const sum = isFaultName(name) ? this.#faults.get(name) : undefined;
      if (sum === undefined) continue;
      sum.offered += count.offered;
      sum.injected += count.injected;
      sum.effective += count.effective;
    }
    for (const [name, count] of Object.entries(answer.sometimes))
      this.#sometimes.set(name, (this.#sometimes.get(name) ?? 0) + count);
  }

  summary(elapsedMs: number): Summary {
    return {
      seeds: this.#seeds,
      failed: this.#failed,
      seedsPerSecond: Math.round((this.#seeds * 10_000) / Math.max(1, elapsedMs)) / 10,
      simulatedSeconds: Math.round(this.#simulatedMs / 1000),
      steps: this.#steps,
      faults: Object.fromEntries(this.#faults),
      sometimes: Object.fromEntries([...this.#sometimes].toSorted(([a], [b]) => (a < b ? -1 : 1))),
      hash: this.#hash.digest(),
    };
  }
}
