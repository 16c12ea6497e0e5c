/** What a campaign of seeds gave. */
import { faultNames } from './faults.ts';
import type { FaultCount, FaultName } from './faults.ts';
import { RollingHash } from './rolling-hash.ts';
import type { SeedResult } from './run-seed.ts';

export interface Summary {
  readonly seeds: number;
  readonly failed: readonly { readonly seed: number; readonly oracle: string; readonly what: string }[];
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
  readonly #failed: { seed: number; oracle: string; what: string }[] = [];
  readonly #faults = new Map<FaultName, FaultCount>(
    faultNames.map((name) => [name, { offered: 0, injected: 0, effective: 0 }]),
  );
  readonly #sometimes = new Map<string, number>();
  #seeds = 0;
  #simulatedMs = 0;
  #steps = 0;

  add(result: SeedResult): void {
    this.#seeds += 1;
    this.#simulatedMs += result.simulatedMs;
    this.#steps += result.steps;
    this.#hash.addWord(result.hash);
    if (result.violation !== null) this.#failed.push({ seed: result.seed, ...result.violation });
    for (const [name, sum] of this.#faults) {
      const { offered = 0, injected = 0, effective = 0 } = result.faults.get(name) ?? {};
      sum.offered += offered;
      sum.injected += injected;
      sum.effective += effective;
    }
    for (const [name, count] of result.sometimes)
      this.#sometimes.set(name, (this.#sometimes.get(name) ?? 0) + count);
  }

  summary(seconds: number): Summary {
    return {
      seeds: this.#seeds,
      failed: this.#failed,
      seedsPerSecond: Math.round((this.#seeds / seconds) * 10) / 10,
      simulatedSeconds: Math.round(this.#simulatedMs / 1000),
      steps: this.#steps,
      faults: Object.fromEntries(this.#faults),
      sometimes: Object.fromEntries([...this.#sometimes].toSorted(([a], [b]) => (a < b ? -1 : 1))),
      hash: this.#hash.digest(),
    };
  }

  /** A few lines for people. */
  text(summary: Summary): string {
    const faults = Object.entries(summary.faults).map(
      ([name, { offered, injected, effective }]) => `${name} ${offered}/${injected}/${effective}`,
    );
    return [
      `${summary.seeds} seeds, ${summary.failed.length} failed, ${summary.seedsPerSecond} seeds/s, ${summary.simulatedSeconds} simulated seconds, ${summary.steps} steps, hash ${summary.hash}`,
      `faults (offered/injected/effective): ${faults.join(', ')}`,
      `sometimes: ${Object.entries(summary.sometimes)
        .map(([name, count]) => `${name} ${count}`)
        .join(', ')}`,
    ].join('\n');
  }
}
