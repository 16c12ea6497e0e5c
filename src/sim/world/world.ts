/**
 * Two hosts and one store. Each host is a machine of its own, or both are homes on one. The store is a service on the network, or a directory:
 * of one machine then, whose loss of power takes the store's files that were not synced too, or of a server that does not fail, which two mount.
 */
import { defined } from '../../base/assert.ts';
import { GIB } from '../../base/units.ts';
import { DaemonClient } from '../../cli/daemon-client.ts';
import type { InPlaceCompute } from '../../env/compute.ts';
import { plainSealing } from '../../store/packages/sealing.ts';
import type { PackageSealing } from '../../store/packages/sealing.ts';
import { Volume } from '../disk/volume.ts';
import { createSimEnv } from '../env/sim-env.ts';
import { Faults } from '../faults.ts';
import { CallWatch } from '../call-watch.ts';
import { siteNames } from '../plan.ts';
import type { Plan, SiteName } from '../plan.ts';
import { Machine } from '../machine.ts';
import { Network } from '../network.ts';
import type { FirecrackerHost } from '../firecracker-hosts.ts';
import type { Program } from '../machine.ts';
import { Prng } from '../prng.ts';
import type { SimProcess } from '../process.ts';
import { Scheduler } from '../scheduler.ts';
import type { Settle } from '../scheduler.ts';
import { createStrategy } from '../strategies.ts';
import { parseVersion } from '../firecracker/version.ts';
import type { Version } from '../firecracker/version.ts';
import { daemonProgram, FIRECRACKER } from './daemon-program.ts';
import { installHelpers, isRoot, needsKernel } from './firecracker/daemon-options.ts';
import { hostTools } from './firecracker/host-tools.ts';
import { jailerProgram } from './firecracker/jailer-program.ts';
import { KernelObjects } from './firecracker/kernel-objects.ts';
import { firecrackerProgram } from './firecracker/program.ts';
import { slirpProgram } from './firecracker/slirp-program.ts';
import { unshareProgram } from './firecracker/unshare-program.ts';
import { fuseProgram } from './fuse-program.ts';
import { gzipProgram } from './gzip-program.ts';
import { installDirectory, installFirecracker, installImage, installPrograms } from './install.ts';
import { qemuImgProgram } from './qemu-img.ts';
import { qemuProgram } from './qemu.ts';
import { SERVICE_HOST, STORE_PATH, startService } from './store-place.ts';
import type { StorePlace } from './store-place.ts';
import { WorldTruth } from './world-truth.ts';

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
  /** How its daemon runs Firecracker, where there is one. */
  readonly firecracker: FirecrackerHost;
  /** It has the image that new VMs are made of from the beginning. */
  readonly hasImage: boolean;
  daemon: SimProcess | null;
  /** Nobody starts its daemon. */
  isAway: boolean;
}

interface MachineRole {
  readonly compute: InPlaceCompute;
  readonly network: Network;
  /** The volume with the store; null when that is elsewhere. */
  readonly mounted: Volume | null;
  readonly clockOff: number;
  readonly firecracker: string | null;
  /** What its kernel has for Firecracker beside KVM; null: nothing. */
  readonly kernel: KernelObjects | null;
}

export class World {
  readonly seed: number;
  readonly scheduler: Scheduler;
  readonly faults: Faults;
  readonly truth: WorldTruth;
  readonly calls: CallWatch;
  readonly sites: readonly Site[];
  readonly store: StorePlace;
  /** What kernels have for Firecracker, by machine; of those where it is caged or has a network. */
  readonly kernels: Map<Machine, KernelObjects> = new Map();
  /** What packages in it are sealed with. */
  sealing: PackageSealing = plainSealing;
  /** People hold VMs by leases, and reclaim them; the way to the store is cut now and then. */
  readonly isVanishing: boolean;
  /** Both people begin at the same moments, and put one command on top of another. */
  readonly isRushed: boolean;

  constructor({ plan, compute, settle, silenced }: WorldOptions) {
    const { seed, chances, strikes, isOneMachine, firecrackers, firecrackerHosts } = plan;
    this.seed = seed;
    this.truth = new WorldTruth(silenced);
    this.scheduler = new Scheduler(createStrategy(plan.strategy, Prng.named(seed, 'strategy')), settle);
    this.faults = new Faults(seed, chances, strikes === null ? null : new Set(strikes));
    this.faults.onStrike = (key) => this.truth.tell('fault', key, laneOf(key));
    this.calls = new CallWatch(plan.aim);
    this.isVanishing = plan.isVanishing;
    this.isRushed = plan.isRushed;
    const mounted = new Volume('store', DISK_BYTES);
    const isMounted = plan.store === 'directory' && !isOneMachine;
    const network = new Network();
    const hasKernel = Object.values(firecrackerHosts).some(needsKernel);
    const machineNamed = (name: string, clockOff: number, firecracker: string | null = null): Machine => {
      const kernel = firecracker !== null && hasKernel ? new KernelObjects() : null;
      const machine = this.#machine(name, {
        clockOff,
        firecracker,
        kernel,
        compute,
        network,
        mounted: isMounted ? mounted : null,
      });
      network.join(name, machine);
      if (firecracker !== null) installFirecracker(rootOf(machine));
      if (kernel !== null) {
        this.kernels.set(machine, kernel);
        installHelpers(rootOf(machine));
      }
      return machine;
    };
    const hostNamed = (name: string, site: SiteName): Machine =>
      machineNamed(name, this.#clockOff(name), firecrackers[site]);
    const shared = isOneMachine ? hostNamed('m', 'a') : null;
    this.sites = siteNames.map((name) => ({
      name,
      home: `/home/${name}`,
      machine: shared ?? hostNamed(name, name),
      firecracker: firecrackerHosts[name],
      hasImage: name === 'a' || plan.hasFarImage,
      daemon: null,
      isAway: false,
    }));
    for (const machine of new Set(this.sites.map((site) => site.machine))) installPrograms(rootOf(machine));
    for (const { machine, home } of this.sites) installDirectory(rootOf(machine), home);
    this.store =
      plan.store === 's3'
        ? startService(machineNamed(SERVICE_HOST, 0), seed)
        : directoryStore(
            shared === null ? { volume: mounted, root: '/' } : { volume: rootOf(shared), root: STORE_PATH },
          );
    for (const { machine, home, hasImage } of this.sites)
      if (hasImage) installImage(rootOf(machine), home, compute);
  }

  site(name: SiteName): Site {
    return defined(
      this.sites.find((site) => site.name === name),
      'a site of the world',
    );
  }

  /** Where the store is, as people tell it. */
  get storeUrl(): string {
    return this.store.url;
  }

  /** No network is between a machine and the store. */
  isStoreOnDisk(machine: Machine): boolean {
    return this.store.kind === 'directory' && this.store.volume === rootOf(machine);
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
    for (const { hostName, vmKey } of this.truth.guests)
      if (this.sites.some((site) => site.home === hostName && site.machine === machine))
        this.truth.died.add(vmKey);
    machine.losePower();
    this.kernels.get(machine)?.losePower();
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

  #serve({ name, home, machine, firecracker }: Site): SimProcess {
    const process = machine.startProcess(['kelpied', home], `kelpied ${name}`);
    if (isRoot(this.seed, firecracker)) process.uid = 0;
    machine.run(daemonProgram(firecracker), process, createSimEnv(process));
    return process;
  }

  #addFirecracker(programs: Map<string, Program>, version: Version, kernel: KernelObjects | null): void {
    const firecracker = firecrackerProgram(this.truth, version, kernel);
    programs.set(FIRECRACKER, firecracker);
    if (kernel === null) return;
    programs.set('jailer', jailerProgram(kernel, this.truth, { version, firecracker }));
    for (const [name, tool] of hostTools(kernel, this.truth)) programs.set(name, tool);
    const slirp = slirpProgram(kernel, this.truth, true);
    programs.set('unshare', unshareProgram(kernel, this.truth, { firecracker, slirp }));
    programs.set('slirp4netns', slirpProgram(kernel, this.truth));
  }

  /** How far a machine's clock is off from the beginning, in milliseconds. */
  #clockOff(name: string): number {
    const skew = this.faults.hit('clock_skew', name);
    return skew === null ? 0 : (skew.random.fraction() - 0.5) * 2 * CLOCK_SKEW_MS_MAX;
  }

  #machine(name: string, role: MachineRole): Machine {
    const { compute, network, mounted, clockOff, firecracker, kernel } = role;
    const programs = new Map<string, Program>([
      ['qemu-system-x86_64', qemuProgram(this.truth)],
      ['qemu-img', qemuImgProgram],
      ['gzip', gzipProgram],
      ['sh', fuseProgram],
    ]);
    if (firecracker !== null) this.#addFirecracker(programs, parseVersion(firecracker), kernel);
    return new Machine({
      name,
      scheduler: this.scheduler,
      random: Prng.named(this.seed, `machine ${name}`),
      calls: this.calls,
      faults: this.faults,
      compute,
      volumes: new Map([
        ['/', new Volume(`disk-${name}`, DISK_BYTES)],
        ...(mounted === null ? [] : [[STORE_PATH, mounted] as const]),
        ...(kernel === null ? [] : [['/sys', kernel.sys] as const]),
      ]),
      programs,
      network,
      wallStartMs: WALL_START_MS + clockOff,
      tell: ({ kind, text, lane, to }) => this.truth.tell(kind, text, lane, to),
      onBug: (error) =>
        this.truth.violated('bug', error instanceof Error ? (error.stack ?? error.message) : String(error)),
    });
  }
}

function directoryStore(on: { readonly volume: Volume; readonly root: string }): StorePlace {
  installDirectory(on.volume, on.root);
  return { kind: 'directory', url: STORE_PATH, ...on };
}

function rootOf(machine: Machine): Volume {
  return defined(machine.volumes.get('/'), 'the root volume');
}

/** Whose a strike's key says that it is: `NAME WHO SITE … #N`. */
function laneOf(key: string): string {
  const [, who = '', site = ''] = key.split(' ');
  return site.startsWith('#') ? who : `${who} ${site}`;
}
