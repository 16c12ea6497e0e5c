/** One run from beginning to end. */
import { fromUtf8Lossy } from '../base/bytes.ts';
import { asError } from '../base/errors.ts';
import type { InPlaceCompute } from '../env/compute.ts';
import type { CallMade } from './call-watch.ts';
import type { FaultCounts } from './faults.ts';
import { Life } from './life.ts';
import { homeFile } from './oracles/site-view.ts';
import type { Plan } from './plan.ts';
import { RecordStory } from './oracles/record-story.ts';
import type { Settle } from './scheduler.ts';
import { World } from './world/world.ts';
import type { Site } from './world/world.ts';
import type { Told } from './trace.ts';
import type { Violation, WorldTruth } from './world/world-truth.ts';

/** A run that takes more steps does not converge. */
const STEPS_MAX = 400_000;
/** Oracles that read the store look once in so many steps. */
const LOOK_STEPS = 50;
const LAST_WORDS_STEPS = 500;

/** What runs need of the real world, and nothing of it shows in them. */
export interface Engine {
  readonly compute: InPlaceCompute;
  readonly settle: Settle;
  /** Gives what failed outside of every promise since it was asked last, as a daemon's process would die of it. */
  readonly takeStray: () => unknown;
}

/** Who looks on. */
export interface Audience {
  readonly onTold?: (told: Told, nowMs: number) => void;
  readonly onCall?: (call: CallMade) => void;
  /** Oracles that nobody listens to. */
  readonly silenced?: ReadonlySet<string>;
}

export interface RunResult {
  readonly seed: number;
  readonly violation: Violation | null;
  readonly hash: string;
  readonly steps: number;
  readonly simulatedMs: number;
  readonly faults: FaultCounts;
  readonly sometimes: ReadonlyMap<string, number>;
  /** The same run again, with nothing left open. */
  readonly plan: Plan;
  /** The call that the plan aims at came. */
  readonly isAimHit: boolean;
  /** What the daemons wrote in their logs, by site. */
  readonly logs: () => ReadonlyMap<string, string>;
}

export async function runPlan(engine: Engine, plan: Plan, audience: Audience = {}): Promise<RunResult> {
  const { onTold, onCall, silenced = new Set() } = audience;
  const world = new World({ plan, compute: engine.compute, settle: engine.settle, silenced });
  const life = new Life(world, plan, engine.compute);
  const { scheduler, truth } = world;
  const records = onTold === undefined ? null : new RecordStory(world);
  if (onTold !== undefined) truth.onTold = (told) => onTold(told, scheduler.nowMs);
  if (onCall !== undefined) world.calls.onCall = (call) => onCall({ ...call, commands: life.commands });
  life.begin();
  const goesOn = (): boolean => {
    const stray = engine.takeStray() ?? null;
    if (stray !== null) truth.violated('stray-rejection', asError(stray).stack ?? '');
    if (scheduler.steps >= STEPS_MAX) truth.violated('liveness', `${STEPS_MAX} steps were not enough`);
    life.lookAtStore();
    if (scheduler.steps % LOOK_STEPS === 0) life.look();
    records?.look();
    return !life.isOver && truth.violation === null;
  };
  if (!(await scheduler.run(goesOn)))
    truth.violated('liveness', 'nothing is left to do, and the end was not reached');
  const hash = scheduler.hash.digest();
  const { steps } = scheduler;
  // Daemons come to write down what they have to say about it.
  if (truth.violation !== null) await scheduler.run(() => scheduler.steps < steps + LAST_WORDS_STEPS);
  for (const site of world.sites) markEvents(truth, logOf(site));
  return {
    seed: plan.seed,
    violation: truth.violation,
    hash,
    steps,
    simulatedMs: scheduler.nowMs,
    faults: world.faults.counts,
    sometimes: truth.sometimes,
    plan: life.plan,
    isAimHit: world.calls.isHit,
    logs: () => new Map(world.sites.map((site) => [site.name, logOf(site)])),
  };
}

/** Paths that no answer tells of. */
const eventPaths: Readonly<Record<string, string>> = {
  'local-pages-used': 'local pages used',
  'local-pages-doubted': 'local pages doubted',
};

function markEvents(truth: WorldTruth, log: string): void {
  for (const [event, path] of Object.entries(eventPaths))
    for (let count = log.split(`"event":"${event}"`).length - 1; count > 0; count -= 1) truth.mark(path);
}

function logOf(site: Site): string {
  const bytes = homeFile(site, 'kelpied.log');
  return bytes === null ? '' : fromUtf8Lossy(bytes);
}
