/** Many seeds, on all workers, reported in their order. */
import { ahead } from '../base/ahead.ts';
import type { Clock } from '../env/clock.ts';
import type { Crew } from './crew.ts';
import type { Answer } from './jobs.ts';
import { drawPlan } from './plan.ts';
import type { Choice } from './plan.ts';
import { Report } from './report.ts';
import type { Summary } from './report.ts';

export interface CampaignOptions extends Choice {
  readonly firstSeed: number;
  /** How many; null: until the time is over. */
  readonly seeds: number | null;
  readonly timeMs: number | null;
  readonly stopsAtFailure: boolean;
}

/** Told after each seed, in order. */
export type OnSeed = (answer: Answer, soFar: () => Summary) => Promise<void>;

export async function runCampaign(
  crew: Crew,
  clock: Clock,
  options: CampaignOptions,
  onSeed: OnSeed,
): Promise<Summary> {
  const { firstSeed, seeds, timeMs, stopsAtFailure } = options;
  const report = new Report();
  const startMs = clock.monotonicMs();
  const soFar = (): Summary => report.summary(clock.monotonicMs() - startMs);
  const endSeed = seeds === null ? Infinity : firstSeed + seeds;
  function* wanted(): Generator<number, void> {
    for (let seed = firstSeed; seed < endSeed; seed += 1) {
      if (timeMs !== null && clock.monotonicMs() - startMs >= timeMs) return;
      yield seed;
    }
  }
  const run = (seed: number, signal: AbortSignal): Promise<Answer> =>
    crew.run({ plan: drawPlan(seed, options), wants: [] }, signal);
  for await (const answer of ahead(wanted(), crew.ahead, run)) {
    report.add(answer);
    await onSeed(answer, soFar);
    if (stopsAtFailure && answer.violation !== null) break;
  }
  return soFar();
}
