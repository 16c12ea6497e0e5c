/**
 * Every call of a short workload, hit in every way that it can be: its process dies before it or after it, it fails, or it is done and its
 * answer lost. One run for each; nothing else goes wrong in it, and ready acts are done first in, first out, so that the run is
 * the same up to the call. Some commands later it ends as every run does: each VM is brought up, asked and removed, each daemon started again.
 */
import { ahead } from '../base/ahead.ts';
import { assert } from '../base/assert.ts';
import { feasibleAims } from './call-watch.ts';
import type { CallMade } from './call-watch.ts';
import type { Crew } from './crew.ts';
import { errand } from './errand.ts';
import { plainHosts } from './firecracker-hosts.ts';
import type { Answer } from './jobs.ts';
import { noFirecrackers } from './plan.ts';
import type { Aim, AimKind, Plan } from './plan.ts';

/** Whose calls: the program itself, not the simulated ones around it. */
const ACTOR = /^kelpied /;
/** Waits that change nothing: a crash there is one at the call that follows. */
const IDLE: ReadonlySet<string> = new Set(['sleep', 'files.close', 'files.unlock']);

/** Commands that follow the one that is hit: with all that are left, runs take a fifth longer and found no more (docs/SIMULATION.md). */
const COMMANDS_AFTER = 3;

/** A kind of call and a way to hit it. */
export interface Pair {
  /** Program, call and file or address, with what is drawn left out. */
  readonly place: string;
  readonly kind: AimKind;
  runs: number;
  /** Runs in which the call came and was hit. */
  hits: number;
}

export interface ExhaustiveReport {
  readonly runs: number;
  readonly calls: number;
  readonly pairs: readonly Pair[];
  readonly pairsHit: number;
  readonly failed: readonly { readonly aim: Aim; readonly oracle: string; readonly what: string }[];
}

export interface ExhaustiveOptions {
  /** Of the calls with the same place, at most so many are tried. */
  readonly callsPerPlaceMax: number;
}

/** @param commands of the workload, from its beginning. */
export function errandPlan(aim: Aim | null, commands: number = errand.length): Plan {
  return {
    seed: 1,
    strategy: 'fifo',
    isOneMachine: false,
    store: 'directory',
    isEncrypted: false,
    isVanishing: false,
    isRushed: false,
    firecrackers: noFirecrackers,
    firecrackerHosts: plainHosts,
    hasFarImage: false,
    acts: errand.slice(0, commands),
    troubles: [],
    chances: {},
    strikes: [],
    aim,
  };
}

export async function runExhaustive(
  crew: Crew,
  { callsPerPlaceMax }: ExhaustiveOptions,
  onRun: (answer: Answer, target: Target, done: number, total: number) => Promise<void>,
): Promise<ExhaustiveReport> {
  const base = await crew.run({ plan: errandPlan(null), wants: ['calls'] });
  assert(base.violation === null, 'the workload alone breaks no rule');
  const calls = base.calls.filter(({ actor, site }) => ACTOR.test(actor) && !IDLE.has(site));
  const targets = targetsOf(calls, callsPerPlaceMax);
  const pairs = new Map<string, Pair>();
  const failed: { aim: Aim; oracle: string; what: string }[] = [];
  const run = async (target: Target, signal: AbortSignal): Promise<{ target: Target; answer: Answer }> => {
    const answer = await crew.run({ plan: errandPlan(target.aim, target.commands), wants: [] }, signal);
    return { target, answer };
  };
  let ended = 0;
  for await (const { target, answer } of ahead(targets, crew.ahead, run)) {
    ended += 1;
    const key = `${target.place} ${target.aim.kind}`;
    const pair = pairs.get(key) ?? { place: target.place, kind: target.aim.kind, runs: 0, hits: 0 };
    pairs.set(key, pair);
    pair.runs += 1;
    if (answer.isAimHit) pair.hits += 1;
    if (answer.violation !== null) failed.push({ aim: target.aim, ...answer.violation });
    await onRun(answer, target, ended, targets.length);
  }
  const all = [...pairs.values()];
  return {
    runs: targets.length,
    calls: calls.length,
    pairs: all,
    pairsHit: all.filter(({ hits }) => hits > 0).length,
    failed,
  };
}

/** A call and a way to hit it. */
export interface Target {
  readonly aim: Aim;
  readonly place: string;
  /** Of the workload, from its beginning. */
  readonly commands: number;
}

function targetsOf(calls: readonly CallMade[], callsPerPlaceMax: number): readonly Target[] {
  const seen = new Map<string, number>();
  return calls.flatMap((made) => {
    const { actor, site, call, place } = made;
    const name = `${actor} ${site} ${place}`;
    const count = (seen.get(name) ?? 0) + 1;
    seen.set(name, count);
    if (count > callsPerPlaceMax) return [];
    const commands = commandsFor(made);
    return feasibleAims(made).map((kind) => ({ aim: { actor, site, call, kind }, place: name, commands }));
  });
}

/** So many that some follow the call, also of the site that makes it: what hits its first start shows when it is asked for something. */
function commandsFor({ actor, commands }: CallMade): number {
  const own = errand.findIndex(({ site }) => actor.endsWith(` ${site}`)) + 1;
  return Math.min(errand.length, Math.max(commands, own) + COMMANDS_AFTER);
}
