/** Rounds, one after the other, with one VM that lives through all of them; the first that breaks a rule is the last. */
import { bootCounting, VM } from './guest.ts';
import { describePlan, planRound } from './plan.ts';
import { Round } from './round.ts';
import { Violation } from './violation.ts';
import { SoakWorld } from './world.ts';
import type { FaultName, RoundPlan } from './plan.ts';
import type { RoundResult, Standpoint } from './round.ts';
import type { SoakOptions } from './options.ts';

export interface CampaignOptions extends SoakOptions {
  /** One line for each thing that happens. */
  readonly say: (line: string) => void;
  /** Where the homes of a failed round are kept. */
  readonly keepAt: (name: string) => string;
  readonly signal: AbortSignal;
}

export interface Failure {
  readonly round: number;
  readonly plan: RoundPlan;
  /** `other`: not a rule that was broken, but something that must not happen either. */
  readonly oracle: string;
  readonly what: string;
  readonly command: string;
  readonly homes: string;
}

export interface CampaignReport {
  readonly seed: number;
  readonly rounds: number;
  /** Rounds after which the VM was on the other host. */
  readonly moves: number;
  readonly seconds: number;
  readonly faults: Readonly<
    Partial<Record<FaultName, { readonly planned: number; readonly struck: number }>>
  >;
  /** How teleports and restores ended, and how often. */
  readonly outcomes: Readonly<Record<string, number>>;
  readonly failed: Failure | null;
}

export async function runCampaign(options: CampaignOptions): Promise<CampaignReport> {
  const tally = new Tally(options.seed);
  const world = await SoakWorld.open(options);
  try {
    let standpoint = await begin(world);
    const { round, rounds, minutes } = options;
    const endMs = minutes === null ? Infinity : performance.now() + minutes * 60_000;
    for (let number = round ?? 1; number <= (round ?? rounds); number += 1) {
      if (performance.now() > endMs || options.signal.aborted) break;
      const plan = planRound(options, number);
      const startMs = performance.now();
      try {
        const result = await new Round(world, plan, standpoint).run();
        standpoint = result.after;
        tally.add(plan, result);
        options.say(roundLine(plan, result, performance.now() - startMs));
      } catch (error) {
        if (options.signal.aborted) break;
        await world.keepHomes(options.keepAt(`${options.seed}-${number}`));
        await world.abandon();
        return tally.report(failureOf(options, plan, error));
      }
    }
  } catch (error) {
    await world.abandon();
    throw error;
  }
  await world.close();
  return tally.report(null);
}

/** A snapshot at once: from here on there is always something to go back to. */
async function begin(world: SoakWorld): Promise<Standpoint> {
  const [where] = world.hosts;
  const { count } = await bootCounting(where.cli);
  await where.cli.must(['snapshot', VM]);
  return { where, acknowledged: count };
}

function roundLine(plan: RoundPlan, result: RoundResult, tookMs: number): string {
  const { teleport, restore, after, struck } = result;
  const missed =
    plan.strikes.length > struck.length ? `, ${struck.length} of ${plan.strikes.length} met something` : '';
  const outcome = `teleport ${teleport}${restore === null ? '' : `, restore ${restore}`}`;
  return `round ${plan.round}: ${describePlan(plan)} → ${outcome}, on ${after.where.name}${missed} (${(tookMs / 1000).toFixed(1)} s)`;
}

function failureOf(options: CampaignOptions, plan: RoundPlan, error: unknown): Failure {
  const switches = `${options.hasNetwork ? '' : ' --no-network'}${options.hasDisks ? '' : ' --no-disk'}`;
  return {
    round: plan.round,
    plan,
    oracle: error instanceof Violation ? error.oracle : 'other',
    what:
      error instanceof Violation
        ? error.message
        : error instanceof Error
          ? (error.stack ?? error.message)
          : String(error),
    command: `npm run soak -- --seed ${options.seed} --round ${plan.round} --faults ${options.faults.join(',')}${switches}`,
    homes: options.keepAt(`${options.seed}-${plan.round}`),
  };
}

class Tally {
  readonly #seed: number;
  readonly #startMs = performance.now();
  readonly #faults = new Map<FaultName, { planned: number; struck: number }>();
  readonly #outcomes = new Map<string, number>();
  #rounds = 0;
  #moves = 0;

  constructor(seed: number) {
    this.#seed = seed;
  }

  add(plan: RoundPlan, { struck, teleport, restore, hasStayed }: RoundResult): void {
    this.#rounds += 1;
    if (!hasStayed) this.#moves += 1;
    for (const { fault } of plan.strikes) this.#fault(fault).planned += 1;
    for (const fault of struck) this.#fault(fault).struck += 1;
    this.#outcome(`teleport ${teleport}`);
    if (restore !== null) this.#outcome(`restore ${restore}`);
  }

  report(failed: Failure | null): CampaignReport {
    return {
      seed: this.#seed,
      rounds: this.#rounds,
      moves: this.#moves,
      seconds: Math.round((performance.now() - this.#startMs) / 1000),
      faults: Object.fromEntries(this.#faults),
      outcomes: Object.fromEntries(this.#outcomes),
      failed,
    };
  }

  #fault(name: FaultName): { planned: number; struck: number } {
    const found = this.#faults.get(name) ?? { planned: 0, struck: 0 };
    this.#faults.set(name, found);
    return found;
  }

  #outcome(name: string): void {
    this.#outcomes.set(name, (this.#outcomes.get(name) ?? 0) + 1);
  }
}
