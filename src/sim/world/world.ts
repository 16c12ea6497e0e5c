/**
 * Two hosts and one store. Either each host is a machine of its own and the store a server that does not fail, or all of it is one
 * machine with two homes, where a loss of power takes everything that was not synced, the store's files too.
 */
import { defined } from '../../base/assert.ts';
import { isKelpieError } from '../../base/errors.ts';
import { GIB } from '../../base/units.ts';
import { DaemonClient } from '../../cli/daemon-client.ts';
import { serve } from '../../daemon/main.ts';
import type { InPlaceCompute } from '../../env/compute.ts';
import { isSystemError } from '../../env/system-error.ts';
import { createQemuBackend } from '../../vm/qemu/backend.ts';
import { Volume } from '../disk/volume.ts';
import { createSimEnv } from '../env/sim-env.ts';
import { Faults } from '../faults.ts';
import { CallWatch } from '../call-watch.ts';
import { siteNames } from '../plan.ts';
import type { Plan, SiteName } from '../plan.ts';
import { Machine } from '../machine.ts';
import type { Program } from '../machine.ts';
import { Prng } from '../prng.ts';
import type { SimProcess } from '../process.ts';
import { Scheduler } from '../scheduler.ts';
import type { Settle } from '../scheduler.ts';
import { createStrategy } from '../strategies.ts';
import { installDirectory, installImage, installPrograms } from './install.ts';
import { fuseProgram } from './fuse-program.ts';
import { qemuImgProgram } from './qemu-img.ts';
import { qemuProgram } from './qemu.ts';
import { WorldTruth } from './world-truth.ts';

export const STORE_PATH = '/store';
const WALL_START_MS = 1_750_000_000_000;
const DISK_BYTES: number = 64 * GIB;
const CLOCK_SKEW_MS_MAX = 60_000;

export interface WorldOptions {
  readonly plan: Plan;
  readonly compute: InPlaceCompute;
  readonly settle: Settle;
  /** Oracles that are not listened to. */
  readonly silenced: ReadonlySet<string>;
}

/** One `KELPIE_HOME` with its daemon. */
export interface Site {
  readonly name: SiteName;
  readonly home: string;
  readonly machine: Machine;
  /** It has the image that new VMs are made of from the beginning. */
  readonly hasImage: boolean;
  daemon: SimProcess | null;
  /** Nobody starts its daemon. */
  isAway: boolean;
}

export class World {
  readonly seed: number;
  readonly scheduler: Scheduler;
  readonly faults: Faults;
  readonly truth: WorldTruth;
  readonly calls: CallWatch;
  readonly sites: readonly Site[];
  readonly storeVolume: Volume;
  /** Where the store is on its volume. */
  readonly storeRoot: string;
  /** People hold VMs by leases, and reclaim them; the way to the store is cut now and then. */
  readonly isVanishing: boolean;

  constructor({ plan, compute, settle, silenced }: WorldOptions) {
    const { seed, chances, strikes, isOneMachine, isVanishing } = plan;
    this.seed = seed;
    this.truth = new WorldTruth(silenced);
    this.scheduler = new Scheduler(createStrategy(plan.strategy, Prng.named(seed, 'strategy')), settle);
    this.faults = new Faults(seed, chances, strikes === null ? null : new Set(strikes));
    this.faults.onStrike = (key) => this.truth.tell('fault', key, laneOf(key));
    this.calls = new CallWatch(plan.aim);
    this.isVanishing = isVanishing;
    const store = new Volume('store', DISK_BYTES);
    const machines: Machine[] = [];
    const machineNamed = (name: string, extra: ReadonlyMap<string, Volume>): Machine => {
      const machine = this.#machine(name, compute, extra);
      machines.push(machine);
      return machine;
    };
    const shared = isOneMachine ? machineNamed('m', new Map()) : null;
    this.sites = siteNames.map((name) => ({
      name,
      home: `/home/${name}`,
      machine: shared ?? machineNamed(name, new Map([[STORE_PATH, store]])),
      hasImage: name === 'a' || plan.hasFarImage,
      daemon: null,
      isAway: false,
    }));
    this.storeVolume = shared === null ? store : rootOf(shared);
    this.storeRoot = shared === null ? '/' : STORE_PATH;
    for (const machine of machines) installPrograms(rootOf(machine));
    for (const site of this.sites) installDirectory(rootOf(site.machine), site.home);
    installDirectory(this.storeVolume, this.storeRoot);
    for (const { machine, home, hasImage } of this.sites)
      if (hasImage) installImage(rootOf(machine), home, compute);
  }

  site(name: SiteName): Site {
    return defined(
      this.sites.find((site) => site.name === name),
      'a site of the world',
    );
  }

  /** Starts the daemon of a site, as `kelpie serve` does. */
  startDaemon(site: Site): void {
    if (site.daemon?.isAlive === true) return;
    site.daemon = this.#serve(site);
  }

  /** Starts a daemon where one may serve already: it is to notice, and end. */
  startSecondDaemon(site: Site): void {
    this.#serve(site);
  }

  /** A process of a person at a site, and the daemon's client in it. */
  client(site: Site): { readonly process: SimProcess; readonly daemon: DaemonClient } {
    const process = site.machine.startProcess(['client', site.name], `client ${site.name}`);
    return { process, daemon: new DaemonClient(createSimEnv(process), `${site.home}/kelpied.sock`) };
  }

  /** The power of a site's machine goes, and comes back with nothing running. */
  losePower({ machine }: Site, random: Prng): void {
    machine.losePower();
    const strike = this.faults.strike('storage_unflushed_loss', machine.name);
    const lost = rootOf(machine).losePower(random, strike !== null);
    if (lost > 0) strike?.tookEffect();
  }

  /** Sleeps in true time, for ever when `isWanted` says no by then; for the world's own drivers. */
  sleep(durationMs: number, isWanted: () => boolean = () => true): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.scheduler.park(
      { site: 'world.sleep', actor: 'world', costMs: 0, isWanted, run: resolve },
      durationMs,
    );
    return promise;
  }

  #serve({ name, home, machine }: Site): SimProcess {
    const process = machine.startProcess(['kelpied', home], `kelpied ${name}`);
    machine.run(daemonProgram, process, createSimEnv(process));
    return process;
  }

  #machine(name: string, compute: InPlaceCompute, extra: ReadonlyMap<string, Volume>): Machine {
    const skew = this.faults.strike('clock_skew', name);
    skew?.tookEffect();
    const skewMs = skew === null ? 0 : (skew.random.fraction() - 0.5) * 2 * CLOCK_SKEW_MS_MAX;
    const programs = new Map<string, Program>([
      ['qemu-system-x86_64', qemuProgram(this.truth)],
      ['qemu-img', qemuImgProgram],
      ['sh', fuseProgram],
    ]);
    return new Machine({
      name,
      scheduler: this.scheduler,
      random: Prng.named(this.seed, `machine ${name}`),
      calls: this.calls,
      faults: this.faults,
      compute,
      volumes: new Map([['/', new Volume(`disk-${name}`, DISK_BYTES)], ...extra]),
      programs,
      wallStartMs: WALL_START_MS + skewMs,
      tell: ({ kind, text, lane, to }) => this.truth.tell(kind, text, lane, to),
      onBug: (error) =>
        this.truth.violated('bug', error instanceof Error ? (error.stack ?? error.message) : String(error)),
    });
  }
}

/** What `kelpie serve` runs. It ends with an error that it can tell; any other is a bug. */
const daemonProgram: Program = async ({ env, args }) => {
  const home = defined(args[1], 'the home');
  try {
    const backends = [createQemuBackend(env, { cacheDirectory: `${home}/cache` })];
    await serve(env, { home, backends }, new AbortController().signal);
    return 0;
  } catch (error) {
    if (isKelpieError(error) || isSystemError(error)) return 1;
    throw error;
  }
};

function rootOf(machine: Machine): Volume {
  return defined(machine.volumes.get('/'), 'the root volume');
}

/** Whose a strike's key says that it is: `NAME WHO SITE … #N`. */
function laneOf(key: string): string {
  const [, who = '', site = ''] = key.split(' ');
  return site.startsWith('#') ? who : `${who} ${site}`;
}
