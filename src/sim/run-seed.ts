/** One seed from beginning to end: a world, people, trouble, then peace, and what must be true then. */
import { fromUtf8Lossy } from '../base/bytes.ts';
import { asError } from '../base/errors.ts';
import type { InPlaceCompute } from '../env/compute.ts';
import { volumeOf } from './disk/paths.ts';
import type { FaultCounts } from './faults.ts';
import { ConvergenceOracle } from './oracles/convergence-oracle.ts';
import { OwnershipOracle } from './oracles/ownership-oracle.ts';
import { PackageOracle } from './oracles/package-oracle.ts';
import { bytesOf, directoryIn } from './oracles/store-view.ts';
import type { SimProcess } from './process.ts';
import type { Settle, Task } from './scheduler.ts';
import { Nemesis } from './workload/nemesis.ts';
import { Person } from './workload/person.ts';
import type { VmModel } from './workload/vm-model.ts';
import { World } from './world/world.ts';
import type { Site } from './world/world.ts';
import type { Violation } from './world/world-truth.ts';

/** A seed that takes more steps does not converge. */
const STEPS_MAX = 400_000;
/** Oracles that read the store look once in so many steps. */
const LOOK_STEPS = 50;
const LAST_WORDS_STEPS = 500;
const ACTS_MIN = 4;
const ACTS_MAX = 24;
/** The longest that a command may take when nothing fails any more; a guest that does not boot is given up after two minutes. */
const ANSWER_MS_MAX = 600_000;
const SECOND_DAEMON_CHANCE = 0.05;
const CALM_MS = 90_000;
const DAEMON_DOWN_MS_MAX = 2000;

export interface SeedOptions {
  readonly seed: number;
  readonly compute: InPlaceCompute;
  readonly settle: Settle;
  readonly faults?: ReadonlySet<string> | null;
  /** Told after each step; for traces. */
  readonly onStep?: (task: Task, nowMs: number) => void;
  /** Gives what failed outside of every promise since it was asked last, as a daemon's process would die of it. */
  readonly takeStray?: () => unknown;
}

export interface SeedResult {
  readonly seed: number;
  readonly violation: Violation | null;
  readonly hash: string;
  readonly steps: number;
  readonly simulatedMs: number;
  readonly faults: FaultCounts;
  readonly sometimes: ReadonlyMap<string, number>;
  /** What the daemons wrote in their logs, by site. */
  readonly logs: () => ReadonlyMap<string, string>;
}

export async function runSeed(options: SeedOptions): Promise<SeedResult> {
  const world = new World({ ...options, faults: options.faults ?? null });
  const life = new Life(world, options.compute);
  const { scheduler, truth } = world;
  scheduler.onStep = (task) => options.onStep?.(task, scheduler.nowMs);
  life.begin();
  await scheduler.settle();
  while (!life.isOver && truth.violation === null) {
    if (scheduler.steps >= STEPS_MAX) truth.violated('liveness', `${STEPS_MAX} steps were not enough`);
    else if (!(await scheduler.step()))
      truth.violated('liveness', 'nothing is left to do, and the end was not reached');
    const stray = options.takeStray?.() ?? null;
    if (stray !== null) truth.violated('stray-rejection', asError(stray).stack ?? '');
    if (scheduler.steps % LOOK_STEPS === 0) life.look();
  }
  const hash = scheduler.hash.digest();
  const { steps } = scheduler;
  // Daemons come to write down what they have to say about it.
  if (truth.violation !== null) for (let left = LAST_WORDS_STEPS; left > 0; left -= 1) await scheduler.step();
  return {
    seed: options.seed,
    violation: truth.violation,
    hash,
    steps,
    simulatedMs: scheduler.nowMs,
    faults: world.faults.counts,
    sometimes: truth.sometimes,
    logs: () => new Map(world.sites.map((site) => [site.name, logOf(site)])),
  };
}

class Life {
  isOver = false;
  readonly #world: World;
  readonly #vms: VmModel[] = [];
  readonly #ownership: OwnershipOracle;
  readonly #packages: PackageOracle;
  readonly #nemesis: Nemesis;
  readonly #people = new Set<SimProcess>();
  #actsLeft: number;

  constructor(world: World, compute: InPlaceCompute) {
    this.#world = world;
    this.#ownership = new OwnershipOracle(world);
    this.#packages = new PackageOracle(world, compute);
    this.#nemesis = new Nemesis(world, (site) => this.#powerOn(site));
    this.#actsLeft = world.random.between(ACTS_MIN, ACTS_MAX);
  }

  begin(): void {
    for (const site of this.#world.sites) this.#powerOn(site);
    const work = Promise.all([this.#keepDaemonsUp(), this.#nemesis.work(), this.#untilDone()]);
    work
      .then(() => this.#converge())
      .catch((error: unknown) => {
        this.#world.truth.violated('harness', asError(error).stack ?? '');
      });
  }

  look(): void {
    this.#ownership.check();
    this.#packages.check();
  }

  #powerOn(site: Site): void {
    this.#world.startDaemon(site);
    const { daemon, process } = this.#world.client(site);
    const person = new Person(this.#world, site, this.#vms, daemon);
    // It ends with its process when the power goes: then another one comes.
    const work = person.work(
      () => this.#actsLeft <= 0,
      () => {
        this.#actsLeft -= 1;
      },
    );
    this.#people.add(process);
    void work.finally(() => this.#people.delete(process));
  }

  /** Every command that was given has its answer, or its person is gone. */
  async #untilAnswered(): Promise<void> {
    const endMs = this.#world.scheduler.nowMs + ANSWER_MS_MAX;
    const isWaiting = (): boolean => [...this.#people].some((process) => process.isAlive);
    while (isWaiting() && this.#world.scheduler.nowMs < endMs) await this.#world.sleep(DAEMON_DOWN_MS_MAX);
    if (isWaiting()) this.#world.truth.violated('liveness', 'a command was not answered in time');
  }

  /** A daemon that is gone is started by the next command; here, after a while. */
  async #keepDaemonsUp(): Promise<void> {
    const random = this.#world.random.split('daemons');
    while (this.#world.faults.isOn) {
      await this.#world.sleep(random.fraction() * DAEMON_DOWN_MS_MAX);
      for (const site of this.#world.sites) {
        this.#world.startDaemon(site);
        // Two commands at once may both find no daemon, and start one each.
        if (random.chance(SECOND_DAEMON_CHANCE)) this.#world.startSecondDaemon(site);
      }
    }
  }

  async #untilDone(): Promise<void> {
    while (this.#actsLeft > 0) await this.#world.sleep(DAEMON_DOWN_MS_MAX);
    this.#world.faults.stop();
  }

  async #converge(): Promise<void> {
    for (const site of this.#world.sites) this.#world.startDaemon(site);
    await this.#untilAnswered();
    // What was slowed down while faults were on still takes its time.
    await this.#world.sleep(CALM_MS);
    const oracle = new ConvergenceOracle(this.#world, this.#vms);
    await oracle.check();
    this.#packages.checkAll();
    this.look();
    this.isOver = true;
  }
}

function logOf({ home, machine }: Site): string {
  const directory = directoryIn(volumeOf(machine, home).root, home, 'cached');
  const bytes = bytesOf(directory?.entries.get('kelpied.log'), 'cached');
  return bytes === null ? '' : fromUtf8Lossy(bytes);
}
