/** What happens in a world: people and troubles, then peace, then the check of what must be true by then. */
import { asError } from '../base/errors.ts';
import type { InPlaceCompute } from '../env/compute.ts';
import { checkPublishedCheckpoints } from './oracles/checkpoint-oracle.ts';
import { ConvergenceOracle } from './oracles/convergence-oracle.ts';
import { DaemonOracle } from './oracles/daemon-oracle.ts';
import { watchGenerations } from './oracles/generation-oracle.ts';
import { LayerOracle } from './oracles/layer-oracle.ts';
import { OwnerOracle } from './oracles/owner-oracle.ts';
import { OwnershipOracle } from './oracles/ownership-oracle.ts';
import { PackageOracle } from './oracles/package-oracle.ts';
import { storeVersion } from './oracles/store-view.ts';
import { watchLostTime } from './oracles/time-oracle.ts';
import type { Plan } from './plan.ts';
import { Prng } from './prng.ts';
import type { SimProcess } from './process.ts';
import { rotBlobs } from './workload/blob-rot.ts';
import { Nemesis } from './workload/nemesis.ts';
import { Person } from './workload/person.ts';
import { Script } from './workload/script.ts';
import { cutStores } from './workload/store-cuts.ts';
import type { VmModel } from './workload/vm-model.ts';
import { encryptStore } from './world/encrypt-store.ts';
import type { Site, World } from './world/world.ts';

/** The longest that a command may take when nothing fails any more; a guest that does not boot is given up after two minutes. */
const ANSWER_MS_MAX = 600_000;
const SECOND_DAEMON_CHANCE = 0.05;
const CALM_MS = 90_000;
const DAEMON_DOWN_MS_MAX = 2000;

export class Life {
  isOver = false;
  readonly #world: World;
  readonly #plan: Plan;
  readonly #script: Script;
  readonly #vms: VmModel[] = [];
  readonly #ownership: OwnershipOracle;
  readonly #owner: OwnerOracle;
  readonly #packages: PackageOracle;
  readonly #daemons: DaemonOracle;
  readonly #layers: LayerOracle;
  readonly #nemesis: Nemesis;
  readonly #people = new Set<SimProcess>();
  #seenVersion = 0;

  constructor(world: World, plan: Plan, compute: InPlaceCompute) {
    this.#world = world;
    this.#plan = plan;
    this.#script = new Script(plan);
    this.#ownership = new OwnershipOracle(world);
    watchLostTime(world, this.#vms);
    watchGenerations(world);
    this.#owner = new OwnerOracle(world);
    this.#packages = new PackageOracle(world, compute);
    this.#daemons = new DaemonOracle(world);
    this.#layers = new LayerOracle(world);
    this.#nemesis = new Nemesis(world, (site) => this.#powerOn(site));
  }

  begin(): void {
    if (this.#plan.isEncrypted) this.#beginEncrypted().catch(this.#onBug);
    else this.#beginNow();
  }

  async #beginEncrypted(): Promise<void> {
    const { faults, truth } = this.#world;
    this.#world.sealing = await faults.spare(() => encryptStore(this.#world));
    truth.mark('encrypted');
    this.#beginNow();
  }

  readonly #onBug = (error: unknown): void =>
    this.#world.truth.violated('harness', asError(error).stack ?? '');

  #beginNow(): void {
    for (const site of this.#world.sites) this.#powerOn(site);
    this.#nemesis.work(this.#plan.troubles).catch(this.#onBug);
    if (this.#world.isVanishing) cutStores(this.#world).catch(this.#onBug);
    if (this.#plan.chances.storage_rot !== undefined) rotBlobs(this.#world).catch(this.#onBug);
    Promise.all([this.#keepDaemonsUp(), this.#untilDone()])
      .then(() => this.#nemesis.untilOver())
      .then(() => this.#converge())
      .catch(this.#onBug);
  }

  /** When the store has changed: who may run a VM is looked at before whoever changed it can act on it. */
  lookAtStore(): void {
    const version = storeVersion(this.#world);
    if (version === this.#seenVersion) return;
    this.#seenVersion = version;
    this.#ownership.check();
    this.#owner.check();
  }

  look(): void {
    this.#ownership.check();
    this.#owner.check();
    this.#packages.check();
    this.#daemons.check();
    this.#layers.check();
  }

  /** How many commands people have begun. */
  get commands(): number {
    return this.#script.begun;
  }

  /** The plan of exactly this run, with nothing left open. */
  get plan(): Plan {
    return {
      ...this.#plan,
      acts: this.#script.taken,
      troubles: this.#nemesis.done,
      strikes: this.#world.faults.struck,
    };
  }

  #powerOn(site: Site): void {
    this.#world.startDaemon(site);
    const person = new Person(this.#world, site, this.#vms);
    // It ends with its process when the power goes: then another one comes.
    const work = person.work(this.#script);
    this.#people.add(person.process);
    void work.finally(() => this.#people.delete(person.process));
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
    const random = Prng.named(this.#world.seed, 'daemons');
    while (this.#world.faults.isOn) {
      await this.#world.sleep(random.fraction() * DAEMON_DOWN_MS_MAX);
      for (const site of this.#world.sites.filter(({ isAway }) => !isAway)) {
        this.#world.startDaemon(site);
        // Two commands at once may both find no daemon, and start one each.
        if (random.chance(SECOND_DAEMON_CHANCE)) this.#world.startSecondDaemon(site);
      }
    }
  }

  async #untilDone(): Promise<void> {
    while (!this.#script.isOver) await this.#world.sleep(DAEMON_DOWN_MS_MAX);
    this.#world.faults.stop();
    this.#world.calls.stop();
  }

  async #converge(): Promise<void> {
    for (const site of this.#world.sites) this.#world.startDaemon(site);
    await this.#untilAnswered();
    // What was slowed down while faults were on still takes its time.
    await this.#world.sleep(CALM_MS);
    const oracle = new ConvergenceOracle(this.#world, this.#vms);
    await oracle.check();
    this.#packages.checkAll();
    checkPublishedCheckpoints(this.#world);
    this.look();
    this.isOver = true;
  }
}
