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
import { drawChances, Faults } from '../faults.ts';
import { Machine } from '../machine.ts';
import type { Program } from '../machine.ts';
import { Prng } from '../prng.ts';
import type { SimProcess } from '../process.ts';
import { Scheduler } from '../scheduler.ts';
import type { Settle } from '../scheduler.ts';
import { createStrategy } from '../strategies.ts';
import { installDirectory, installImage, installPrograms } from './install.ts';
import { qemuImgProgram } from './qemu-img.ts';
import { qemuProgram } from './qemu.ts';
import { WorldTruth } from './world-truth.ts';

export const STORE_PATH = '/store';
const WALL_START_MS = 1_750_000_000_000;
const DISK_BYTES: number = 64 * GIB;
const CLOCK_SKEW_MS_MAX = 60_000;

export interface WorldOptions {
  readonly seed: number;
  readonly compute: InPlaceCompute;
  readonly settle: Settle;
  /** Faults that may be drawn; null: all. */
  readonly faults: ReadonlySet<string> | null;
}

/** One `KELPIE_HOME` with its daemon. */
export interface Site {
  readonly name: string;
  readonly home: string;
  readonly machine: Machine;
  /** It has the image that new VMs are made of from the beginning. */
  readonly hasImage: boolean;
  daemon: SimProcess | null;
}

export class World {
  readonly random: Prng;
  readonly scheduler: Scheduler;
  readonly faults: Faults;
  readonly truth: WorldTruth = new WorldTruth();
  readonly sites: readonly Site[];
  readonly storeVolume: Volume;
  /** Where the store is on its volume. */
  readonly storeRoot: string;
  readonly isOneMachine: boolean;

  constructor({ seed, compute, settle, faults }: WorldOptions) {
    this.random = Prng.fromSeed(seed);
    this.scheduler = new Scheduler(createStrategy(this.random.split('strategy')), settle);
    this.faults = new Faults(this.random.split('faults'), drawChances(this.random.split('chances'), faults));
    this.isOneMachine = this.random.chance(0.5);
    const store = new Volume('store', DISK_BYTES);
    const machines: Machine[] = [];
    const machineNamed = (name: string, extra: ReadonlyMap<string, Volume>): Machine => {
      const machine = this.#machine(name, compute, extra);
      machines.push(machine);
      return machine;
    };
    const shared = this.isOneMachine ? machineNamed('m', new Map()) : null;
    this.sites = ['a', 'b'].map((name) => ({
      name,
      home: `/home/${name}`,
      machine: shared ?? machineNamed(name, new Map([[STORE_PATH, store]])),
      hasImage: name === 'a' || this.random.chance(0.5),
      daemon: null,
    }));
    this.storeVolume = shared === null ? store : rootOf(shared);
    this.storeRoot = shared === null ? '/' : STORE_PATH;
    for (const machine of machines) installPrograms(rootOf(machine));
    for (const site of this.sites) installDirectory(rootOf(site.machine), site.home);
    installDirectory(this.storeVolume, this.storeRoot);
    for (const { machine, home, hasImage } of this.sites)
      if (hasImage) installImage(rootOf(machine), home, compute);
  }

  /** Starts the daemon of a site, as `kelpie serve` does. */
  startDaemon(site: Site): void {
    if (site.daemon?.isAlive === true) return;
    const process = site.machine.startProcess(['kelpied', site.home]);
    site.daemon = process;
    site.machine.run(daemonProgram, process, createSimEnv(process));
  }

  /** Starts a daemon where one may serve already: it is to notice, and end. */
  startSecondDaemon(site: Site): void {
    const process = site.machine.startProcess(['kelpied', site.home]);
    site.machine.run(daemonProgram, process, createSimEnv(process));
  }

  /** A process of a person at a site, and the daemon's client in it. */
  client(site: Site): { readonly process: SimProcess; readonly daemon: DaemonClient } {
    const process = site.machine.startProcess(['client', site.name]);
    return { process, daemon: new DaemonClient(createSimEnv(process), `${site.home}/kelpied.sock`) };
  }

  /** The power of a site's machine goes, and comes back with nothing running. */
  losePower(site: Site): void {
    site.machine.losePower();
    const canLose = this.faults.hits('storage_unflushed_loss');
    const lost = rootOf(site.machine).losePower(this.faults.random, canLose);
    if (canLose && lost > 0) this.faults.tookEffect('storage_unflushed_loss');
  }

  /** Sleeps in true time; for the world's own drivers. */
  sleep(durationMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.scheduler.park({
      site: 'world.sleep',
      actor: 'world',
      costMs: 0,
      delayMs: durationMs,
      isWanted: () => true,
      run: resolve,
    });
    return promise;
  }

  #machine(name: string, compute: InPlaceCompute, extra: ReadonlyMap<string, Volume>): Machine {
    let skewMs = 0;
    if (this.faults.hits('clock_skew')) {
      this.faults.tookEffect('clock_skew');
      skewMs = (this.random.fraction() - 0.5) * 2 * CLOCK_SKEW_MS_MAX;
    }
    const programs = new Map<string, Program>([
      ['qemu-system-x86_64', qemuProgram(this.truth)],
      ['qemu-img', qemuImgProgram],
    ]);
    return new Machine({
      name,
      scheduler: this.scheduler,
      random: this.random.split(name),
      faults: this.faults,
      compute,
      volumes: new Map([['/', new Volume(`disk-${name}`, DISK_BYTES)], ...extra]),
      programs,
      wallStartMs: WALL_START_MS + skewMs,
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
