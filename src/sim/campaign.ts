/** Many seeds, on all workers, reported in their order. */
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
  /** In order of their seeds. */
  const underWay: Promise<Answer>[] = [];
  let next = firstSeed;
  const begin = (): void => {
    const isLate = timeMs !== null && clock.monotonicMs() - startMs >= timeMs;
    if (isLate || (seeds !== null && next >= firstSeed + seeds)) return;
    const running = crew.run({ plan: drawPlan(next, options), wants: [] });
    // Its failure is met when its turn comes.
    running.catch(() => undefined);
    underWay.push(running);
    next += 1;
  };
  // More than the workers hold at a time: one slow seed keeps none of them waiting.
  while (underWay.length < crew.size * 4) {
    const before = underWay.length;
    begin();
    if (underWay.length === before) break;
  }
  for (let first = underWay.shift(); first !== undefined; first = underWay.shift()) {
    const answer = await first;
    report.add(answer);
    await onSeed(answer, soFar);
    if (stopsAtFailure && answer.violation !== null) break;
    begin();
  }
  return soFar();
}
