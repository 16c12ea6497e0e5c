/** A person at a site: one command after the other. Every refusal with a code is fine; an `internal` one is not. */
import { isKelpieError } from '../../base/errors.ts';
import type { DaemonClient } from '../../cli/daemon-client.ts';
import type { ActName, PlannedAct } from '../plan.ts';
import { Prng } from '../prng.ts';
import type { SimProcess } from '../process.ts';
import { hasFirecracker } from '../world/daemon-program.ts';
import type { Site, World } from '../world/world.ts';
import { createActs } from './acts.ts';
import type { Act } from './acts.ts';
import type { Decision, Script } from './script.ts';
import { followLife, newVmModel } from './vm-model.ts';
import type { VmModel } from './vm-model.ts';

const PATIENCE_MS_MAX = 3000;
/** Within it a daemon dies that is to die over a command; most commands are done sooner. */
const CUT_MS_MAX = 4000;
const VMS_MAX = 2;
/** Where hosts vanish: how often a VM is held by a lease, and one that is elsewhere reclaimed. */
const LEASE_CHANCE = 0.8;
const RECLAIM_CHANCE = 0.1;
const TRIP_CHANCE = 0.8;
/** As often where the host is seen to be gone. */
const RECLAIM_CHANCE_AWAY = 0.7;
/** Nobody types commands at a host that is gone. */
const AWAY_POLL_MS = 1000;
/** Where people are in a rush: the moments at which they begin, on both hosts. */
const BEAT_MS = 1000;
/** How often they ask for something that may make no sense where the VM is. */
const ANYTHING_CHANCE = 0.1;
const ANYTHING_CHANCE_RUSHED = 0.4;
/** And how often what was sent away is wanted back at once, on both hosts, and what is here is sent away. */
const RETURN_CHANCE_RUSHED = 0.8;
const TELEPORT_CHANCE_RUSHED = 0.3;
/** Where there is Firecracker: how often a VM is made on QEMU. */
const QEMU_CHANCE = 0.2;
/** How often a new VM is made of a checkpoint, where there is one. */
const COPY_CHANCE = 0.35;
/** VMs that copies are still made of: each costs as much as another one. */
const FORKED_VMS_MAX = 4;
const FORK_CHANCE = 0.08;
/** How often two copies are made at once. */
const TWO_CHANCE = 0.4;
const nothing: Decision = { name: 'none', vm: null, isBold: false, isLeft: false };
/** Commands whose end a person need not wait for, and how often they do not. */
const leavable: ReadonlySet<ActName> = new Set(['snapshot', 'teleport', 'checkpoint', 'suspend', 'stop']);
const LEAVE_CHANCE = 0.25;
const LEAVE_CHANCE_RUSHED = 0.7;
/** What people in a rush put on top of a command that is under way, and how often. */
const stacked: readonly ActName[] = [
  'snapshot',
  'teleport',
  'checkpoint',
  'pause',
  'resume',
  'suspend',
  'stop',
];
const STACK_CHANCE_RUSHED = 0.8;
/** Not while another command is under way: what a VM counts to goes back by it, and which of the two came first nobody could tell. */
const goesBack: ReadonlySet<ActName> = new Set(['restoreLocal', 'start', 'fork', 'forkPackage']);
type Choice = Omit<Decision, 'isLeft'>;
/** How often the bold form of a command is chosen. */
const boldChances: Readonly<Partial<Record<ActName, number>>> = {
  restoreLocal: 0.7,
  stop: 0.3,
  checkpoint: 0.2,
  teleport: 0.15,
};

export class Person {
  readonly process: SimProcess;
  readonly #world: World;
  readonly #site: Site;
  readonly #vms: VmModel[];
  readonly #acts: Readonly<Record<ActName, Act>>;
  /** Of its own, so that other commands are drawn as if there were no forks. */
  readonly #forks: Prng;
  readonly #leaves: Prng;
  /** Commands under way that nobody waits for. */
  readonly #left = new Set<Promise<void>>();
  /** The VM that the last of them is about. */
  #leftVm: string | null = null;

  constructor(world: World, site: Site, vms: VmModel[]) {
    const { process, daemon }: { process: SimProcess; daemon: DaemonClient } = world.client(site);
    this.process = process;
    this.#world = world;
    this.#site = site;
    this.#vms = vms;
    this.#forks = Prng.named(world.seed, `forks ${site.name}`);
    this.#leaves = Prng.named(world.seed, `leaves ${site.name}`);
    this.#acts = createActs(world, site, daemon, vms);
  }

  /** Until the script is over, or the person's process ends. */
  async work(script: Script): Promise<void> {
    for (let turn = script.next(this.#site.name); turn !== null; turn = script.next(this.#site.name)) {
      await this.#world.sleep(turn.thinkMs);
      if (this.#world.isRushed && this.#left.size === 0) await this.#untilBeat();
      while (this.#site.isAway && this.#world.faults.isOn) await this.#world.sleep(AWAY_POLL_MS);
      if (!this.process.isAlive) return;
      const act = turn.decide((random) => this.#decide(random));
      if (act === null) break;
      if (act.name === 'none') continue;
      const acting = this.#actOnce(act, act.name);
      if (act.isLeft) this.#leave(acting, act.vm);
      else await acting;
    }
    await Promise.all(this.#left);
  }

  /** Both people begin at once, and want the same. */
  async #untilBeat(): Promise<void> {
    await this.#world.sleep(BEAT_MS - (this.#world.scheduler.nowMs % BEAT_MS));
  }

  #leave(acting: Promise<void>, vm: string | null): void {
    this.#world.truth.mark('left a command');
    this.#leftVm = vm;
    this.#left.add(acting);
    void acting.finally(() => this.#left.delete(acting));
  }

  async #actOnce({ vm, isBold }: PlannedAct, name: ActName): Promise<void> {
    const model = this.#vms.find((known) => known.name === vm) ?? (makesVm(name) ? this.#newVm() : null);
    if (model === null) return;
    const { truth } = this.#world;
    truth.mark(`asked ${name}`);
    truth.tell('person', `${name} ${model.name}`, this.#lane);
    this.#cut();
    const ended = followLife(model, name);
    try {
      await this.#acts[name](model, isBold, this.#patience());
      ended('done');
      truth.mark(`done ${name}`);
      truth.tell('person', `${name} done`, this.#lane);
    } catch (error) {
      ended(isAnswer(error) ? 'refused' : 'unknown');
      this.#onRefusal(name, error);
    }
  }

  #onRefusal(name: ActName, error: unknown): void {
    const { truth } = this.#world;
    // Not a `KelpieError`: the client's own abort, a connection that broke in the middle of an answer.
    const reason = isKelpieError(error) ? error.code : 'connection lost';
    truth.mark(`${name}: ${reason}`);
    truth.tell('person', `${name} refused: ${reason}`, this.#lane);
    if (!isKelpieError(error)) return;
    if (error.code === 'internal') truth.violated('internal-error', `${name}: ${error.message}`);
    if (!/[.?]$/.test(error.message))
      truth.violated('words', `${name} is refused without a sentence: ${error.message}`);
  }

  /** Sometimes a person presses Ctrl-C. */
  #patience(): AbortSignal | undefined {
    const strike = this.#world.faults.strike('http_client_gone', this.#lane);
    if (strike === null) return undefined;
    const abort = new AbortController();
    void this.#world.sleep(strike.random.fraction() ** 2 * PATIENCE_MS_MAX).then(() => {
      strike.tookEffect();
      abort.abort(new Error('Ctrl-C'));
    });
    return abort.signal;
  }

  /** Sometimes the daemon dies over a command: most of what recovery is for lies between the steps of one. */
  #cut(): void {
    const strike = this.#world.faults.strike('operation_cut', this.#lane);
    if (strike === null) return;
    const { machine, daemon } = this.#site;
    void this.#world.sleep(strike.random.fraction() ** 2 * CUT_MS_MAX).then(() => {
      if (daemon?.isAlive !== true) return;
      strike.tookEffect();
      machine.kill(daemon);
    });
  }

  #decide(random: Prng): Decision {
    const chosen = this.#choose(random);
    const { name } = chosen;
    if (name === 'none') return nothing;
    if (this.#left.size > 0) return goesBack.has(name) ? nothing : { ...chosen, isLeft: false };
    return { ...chosen, isLeft: leavable.has(name) && this.#leaves.chance(this.#leaveChance) };
  }

  #choose(random: Prng): Choice {
    const { hasImage, name: place } = this.#site;
    const known = this.#vms.filter((vm) => !vm.isRemovalAsked && (vm.isCreated || vm.birthplace === place));
    if (hasImage && known.length < VMS_MAX && random.chance(known.length === 0 ? 1 : 0.1))
      return {
        name: 'up',
        vm: null,
        isBold: hasFirecracker(this.#site.machine) && random.chance(QEMU_CHANCE),
      };
    if (
      hasImage &&
      this.#world.truth.checkpoints.length > 0 &&
      known.length <= VMS_MAX &&
      random.chance(COPY_CHANCE)
    )
      return { name: 'restoreCheckpoint', vm: null, isBold: false };
    if (this.#world.isRushed && this.#left.size > 0 && random.chance(STACK_CHANCE_RUSHED))
      return { name: random.pick(stacked), vm: this.#leftVm, isBold: false };
    const isAnything = random.chance(this.#anythingChance);
    const near = known.filter(
      (vm) => isAnything || this.#world.isVanishing || vm.place === null || vm.place === place,
    );
    if (near.length === 0) return nothing;
    const vm = random.pick(near);
    const trip = this.#world.isVanishing && random.chance(TRIP_CHANCE) ? this.#firstTrip(vm) : null;
    if (trip !== null) return trip;
    const errand = this.#world.isRushed && this.#left.size === 0 ? this.#rushedErrand(random, vm) : null;
    if (errand !== null) return errand;
    const fork = known.length < FORKED_VMS_MAX ? this.#chooseFork(vm) : null;
    if (fork !== null) return fork;
    const { isVanishing } = this.#world;
    if (isVanishing && this.#isReclaimed(random, vm)) return { name: 'reclaim', vm: vm.name, isBold: false };
    const name = vm.isCreated ? chooseAct(random, vm.place, place, this.#anythingChance) : 'up';
    const boldChance = isVanishing && name === 'restoreFromStore' ? LEASE_CHANCE : (boldChances[name] ?? 0);
    return { name, vm: vm.name, isBold: random.chance(boldChance) };
  }

  /** Copies of what is here, or of what left something in the store; seldom of anything. */
  #chooseFork(vm: VmModel): Choice | null {
    const isWanted = this.#forks.chance(FORK_CHANCE);
    const isBold = this.#forks.chance(TWO_CHANCE);
    if (!isWanted || !vm.isCreated) return null;
    return { name: vm.place === this.#site.name ? 'fork' : 'forkPackage', vm: vm.name, isBold };
  }

  /** Where hosts vanish, most VMs go to the other one first, by a lease: what never was in a store nobody can reclaim. */
  #firstTrip({ name, place, birthplace, isCreated, isPublished }: VmModel): Choice | null {
    const isHome = this.#site.name === birthplace;
    if (!isCreated || (isPublished && place !== null)) return null;
    if (!isPublished)
      return isHome && place === birthplace ? { name: 'teleport', vm: name, isBold: false } : null;
    return isHome ? null : { name: 'restoreFromStore', vm: name, isBold: true };
  }

  /** Where people are in a rush, most VMs go to the store, and both want them back. */
  #rushedErrand(random: Prng, { name, place, isPublished, isCreated }: VmModel): Choice | null {
    if (isPublished && place === null)
      return random.chance(RETURN_CHANCE_RUSHED)
        ? { name: 'restoreFromStore', vm: name, isBold: false }
        : null;
    if (!isCreated || place !== this.#site.name || !random.chance(TELEPORT_CHANCE_RUSHED)) return null;
    return { name: 'teleport', vm: name, isBold: false };
  }

  /** A VM that went from a store to a host of which nothing is heard. */
  #isReclaimed(random: Prng, { place, isPublished }: VmModel): boolean {
    const host = this.#world.sites.find(({ name }) => name === place);
    if (!isPublished || host === undefined || host === this.#site) return false;
    return random.chance(host.isAway ? RECLAIM_CHANCE_AWAY : RECLAIM_CHANCE);
  }

  get #anythingChance(): number {
    return this.#world.isRushed ? ANYTHING_CHANCE_RUSHED : ANYTHING_CHANCE;
  }

  get #leaveChance(): number {
    return this.#world.isRushed ? LEAVE_CHANCE_RUSHED : LEAVE_CHANCE;
  }

  get #lane(): string {
    return `person ${this.#site.name}`;
  }

  #newVm(): VmModel {
    const model = newVmModel(`vm-${this.#vms.length}`, this.#site.name);
    this.#vms.push(model);
    return model;
  }
}

/** The daemon said it: else what was asked for may still be done. */
function isAnswer(error: unknown): boolean {
  return isKelpieError(error) && error.code !== 'daemon_unavailable';
}

function makesVm(name: ActName): boolean {
  return name === 'up' || name === 'restoreCheckpoint';
}

/** Mostly what makes sense where the VM seems to be, sometimes anything. */
function chooseAct(random: Prng, vmPlace: string | null, place: string, anythingChance: number): ActName {
  const isAnything = random.chance(anythingChance);
  const isHere = isAnything || vmPlace === place;
  const isAway = isAnything || vmPlace !== place;
  const weights: readonly (readonly [ActName, number])[] = [
    ['snapshot', isHere ? 5 : 0],
    ['teleport', isHere ? 6 : 0],
    ['restoreFromStore', vmPlace === null ? 10 : isAway ? 1 : 0],
    ['checkpoint', isHere ? 3 : 0],
    ['restoreLocal', isHere ? 3 : 0],
    ['count', isHere ? 3 : 0.5],
    ['pause', isHere ? 1 : 0],
    ['resume', isHere ? 2 : 0],
    ['suspend', isHere ? 1 : 0],
    ['stop', isHere ? 1 : 0],
    ['start', isHere ? 2 : 0],
    ['remove', isHere ? 0.3 : 0],
    ['shutdown', 0.3],
  ];
  let left = random.fraction() * weights.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [name, weight] of weights) {
    left -= weight;
    if (left < 0) return name;
  }
  return 'count';
}
