/**
 * When faults have stopped, everything finds its end within bounded time: daemons serve, every VM is live on one host or restorable
 * from one place, its count is not behind what was promised; and when all VMs are removed, nothing is left.
 */
import { isKelpieError } from '../../base/errors.ts';
import type { DaemonClient } from '../../cli/daemon-client.ts';
import { routes } from '../../daemon/api/routes.ts';
import type { VmView } from '../../daemon/api/vms.ts';
import { volumeOf } from '../disk/paths.ts';
import { Prng } from '../prng.ts';
import type { VmModel } from '../workload/vm-model.ts';
import { countOf } from '../workload/acts.ts';
import { quiet } from '../workload/quiet.ts';
import { vmKeyOf } from '../world/guest.ts';
import type { Site, World } from '../world/world.ts';
import { firecrackerRemains } from './firecracker-oracle.ts';
import { directoryIn } from './store-view.ts';

/** Bounds in simulated time. */
const SETTLE_MS_MAX = 300_000;
const POLL_MS = 500;
/** Of the VMs that are there at the end; each costs as much as a command. */
const LEAVE_CHANCE = 0.3;
/** Of the daemons that come to be looked at: what they had in mind alone is gone then, and what they had written down is done. */
const RESTART_CHANCE = 0.4;

/** How bytes that are not what was written are refused. */
const damageCodes = ['package_corrupt', 'image_corrupt', 'snapshot_corrupt'] as const;

/** Nothing of a VM executes, and its memory is gone or elsewhere. */
const endedStates: ReadonlySet<VmView['state']> = new Set(['stopped', 'suspended']);

interface Place {
  readonly site: Site;
  readonly daemon: DaemonClient;
}

export class ConvergenceOracle {
  readonly #world: World;
  readonly #vms: readonly VmModel[];
  readonly #places: readonly Place[];

  constructor(world: World, vms: readonly VmModel[]) {
    this.#world = world;
    this.#vms = vms;
    this.#places = world.sites.map((site) => ({ site, daemon: world.client(site).daemon }));
  }

  async check(): Promise<void> {
    for (const place of this.#places)
      await (this.#isRestarted(place) ? this.#restart(place) : this.#untilIdle(place));
    for (const place of this.#places) await this.#checkJournal(place);
    for (const place of this.#places) await this.#checkVmms(place);
    for (const vm of this.#vms) if (vm.isCreated && !vm.isRemovalAsked) await this.#checkVm(vm);
    for (const place of this.#places) await this.#removeAll(place);
    for (const place of this.#places) {
      await this.#restart(place);
      await this.#checkNothingLeft(place);
    }
    const remains = (): readonly string[] => firecrackerRemains(this.#world);
    await this.#until(
      'Firecrackers to leave nothing',
      async () => remains().length === 0,
      () => remains().join(', '),
    );
  }

  #isRestarted({ site }: Place): boolean {
    return Prng.named(this.#world.seed, `restart ${site.name}`).chance(RESTART_CHANCE);
  }

  /** What a failure left behind is found at the latest when the daemon starts again. */
  async #restart(place: Place): Promise<void> {
    const { machine, home } = place.site;
    for (const process of machine.processes)
      if (process.args[0] === 'kelpied' && process.args[1] === home) machine.kill(process);
    await this.#untilIdle(place);
  }

  /** The daemon serves and nothing is under way. */
  async #untilIdle({ site, daemon }: Place): Promise<void> {
    await this.#until(`the daemon of ${site.name} to be idle`, async () => {
      this.#world.startDaemon(site);
      const { vms } = await daemon.call(routes.vmList);
      return vms.every(({ busy }) => busy === null);
    });
  }

  /** Where nothing is under way nothing is written down that the next start would carry out. An entry that could not be taken back either stays, and that was told. */
  async #checkJournal({ site }: Place): Promise<void> {
    if ((this.#world.faults.counts.get('storage_write_fail')?.effective ?? 0) > 0) return;
    const { root } = volumeOf(site.machine, site.home);
    const entries = (): readonly string[] =>
      [...(directoryIn(root, `${site.home}/operations`, 'cached')?.entries.keys() ?? [])].filter((name) =>
        name.endsWith('.json'),
      );
    await this.#until(
      `the journal of ${site.name} to be empty`,
      async () => entries().length === 0,
      () => entries().join(', '),
    );
  }

  /** What has left or was stopped has no VMM. That of a guest that panicked may stay until something is done with its VM, or the daemon starts again. */
  async #checkVmms(place: Place): Promise<void> {
    const { site, daemon } = place;
    const { truth } = this.#world;
    const { vms } = await daemon.call(routes.vmList);
    const endings: readonly VmView['state'][] = ['departed', 'stopped', 'suspended'];
    const gone = this.#isRestarted(place) ? [...endings, 'crashed'] : endings;
    const ended = vms.filter(({ state }) => gone.includes(state));
    const keys = new Set(ended.map(({ id }) => vmKeyOf(id)));
    const stray = [...truth.guests].find(({ hostName, vmKey }) => hostName === site.home && keys.has(vmKey));
    if (stray !== undefined)
      truth.violated('leak', `a VMM of ${stray.vmKey} is on ${site.name}, where it has ended`);
  }

  async #find(name: string): Promise<readonly (Place & { readonly view: VmView })[]> {
    const found: (Place & { readonly view: VmView })[] = [];
    for (const place of this.#places) {
      const { vms } = await place.daemon.call(routes.vmList);
      found.push(...vms.filter((view) => view.name === name).map((view) => ({ ...place, view })));
    }
    return found;
  }

  /** What a lease has paused goes on once it is renewed, for which a daemon that was started just now still asks. */
  async #findRenewed(name: string): Promise<readonly (Place & { readonly view: VmView })[]> {
    let found = await this.#find(name);
    const isRenewed = (): boolean => found.every(({ view }) => view.lease?.isPaused !== true);
    if (isRenewed()) return found;
    await this.#until(`the lease of ${name} to be renewed`, async () => {
      found = await this.#find(name);
      return isRenewed();
    });
    return found;
  }

  async #checkVm(vm: VmModel): Promise<void> {
    const { truth } = this.#world;
    const found = await this.#findRenewed(vm.name);
    const damaged = found.find(({ view }) => view.state === 'damaged');
    if (damaged !== undefined)
      return truth.violated(
        'lost-vm',
        `the record of ${vm.name} on ${damaged.site.name} is damaged: ${damaged.view.reason}`,
      );
    const here = found.filter(({ view }) => view.state !== 'departed');
    if (here.length > 1)
      return truth.violated(
        'one-copy',
        `${vm.name} is on ${here.map(({ site }) => site.name).join(' and ')}`,
      );
    const [place] = here;
    if (place?.view.state === 'paused' && !vm.isPauseAsked)
      return truth.violated(
        'stuck',
        `${vm.name} stands still on ${place.site.name}, and nobody asked for it`,
      );
    if (place?.view.state === 'crashed' && vm.vmKey !== null && !truth.died.has(vm.vmKey))
      return truth.violated(
        'ended',
        `${vm.name} counts as crashed on ${place.site.name}, and nothing of it has died`,
      );
    const hasEnded = place === undefined || endedStates.has(place.view.state);
    if (vm.isUp && hasEnded && vm.vmKey !== null && !truth.died.has(vm.vmKey))
      return truth.violated(
        'ended',
        `${vm.name} is ${place?.view.state ?? 'on no host'}, and nobody asked for that since it was seen to live`,
      );
    const hosts = place === undefined ? this.#shuffledPlaces(vm.name) : [place];
    for (const [index, host] of hosts.entries()) {
      try {
        await this.#bringUp(vm, host.daemon, place?.view ?? null);
        const count = await countOf(host.daemon, vm.name);
        if (count < vm.floor)
          truth.violated('lost-time', `${vm.name} counts ${count}, though ${vm.floor} was acknowledged`);
        truth.mark(place === undefined ? 'converged at rest' : `converged ${place.view.state}`);
        return await this.#checkLeaves(vm, host.daemon);
      } catch (error) {
        // Not every host has the image, or what the VM ran on; one that has is enough.
        const isElsewhere = isKelpieError(error, 'image_not_found', 'restore_incompatible');
        if (isElsewhere && index < hosts.length - 1) continue;
        if (this.#world.faults.hasDamagedStore && isKelpieError(error, ...damageCodes))
          return truth.mark('damage was refused');
        return truth.violated(
          'lost-vm',
          `${vm.name} (${place?.view.state ?? 'on no host'}) cannot be brought up: ${String(error)}`,
        );
      }
    }
  }

  /** A VM that runs can be brought away: nothing that was cut has left it stuck here. */
  async #checkLeaves({ name }: VmModel, daemon: DaemonClient): Promise<void> {
    const { truth, seed, faults } = this.#world;
    if (!Prng.named(seed, `leave ${name}`).chance(LEAVE_CHANCE)) return;
    try {
      const body = { storeUrl: this.#world.storeUrl, message: '', includeImage: true };
      await daemon.operate(routes.teleport, { parameters: { vm: name }, body }, quiet);
      truth.mark('left at the end');
    } catch (error) {
      if (!faults.hasDamagedStore) truth.violated('stuck', `${name} cannot leave: ${String(error)}`);
    }
  }

  #shuffledPlaces(name: string): readonly Place[] {
    const isReversed = Prng.named(this.#world.seed, `converge ${name}`).chance(0.5);
    return isReversed ? this.#places.toReversed() : this.#places;
  }

  async #bringUp(vm: VmModel, daemon: DaemonClient, view: VmView | null): Promise<void> {
    const parameters = { vm: vm.name };
    if (view === null) {
      await daemon.operate(
        routes.restoreFromStore,
        { body: { storeUrl: this.#world.storeUrl, vm: vm.name } },
        quiet,
      );
    } else if (view.state === 'paused' || view.state === 'suspended') {
      await daemon.operate(routes.vmResume, { parameters }, quiet);
    } else if (view.state !== 'running') {
      try {
        await daemon.operate(routes.restoreLocal, { parameters, body: { replace: false } }, quiet);
      } catch (error) {
        if (!isKelpieError(error, 'snapshot_not_found') || vm.floor > 0) throw error;
        await daemon.operate(routes.vmStart, { parameters }, quiet);
      }
    }
  }

  async #removeAll({ daemon }: Place): Promise<void> {
    const { vms } = await daemon.call(routes.vmList);
    for (const { id } of vms)
      await daemon.call(routes.vmRemove, { parameters: { vm: id }, query: { force: true } });
  }

  async #checkNothingLeft({ site }: Place): Promise<void> {
    const root = volumeOf(site.machine, site.home).root;
    for (const name of ['vms', 'run', 'operations', 'blobs', 'tmp']) {
      const path = `${site.home}/${name}`;
      const left = (): readonly string[] => [...(directoryIn(root, path, 'cached')?.entries.keys() ?? [])];
      await this.#until(
        `${path} to be empty`,
        async () => left().length === 0,
        () => left().join(', '),
      );
    }
    const vmm = [...this.#world.truth.guests].find(({ hostName }) => hostName === site.home);
    if (vmm !== undefined)
      this.#world.truth.violated('leak', `a VMM of ${vmm.vmKey} is left on ${site.name}`);
  }

  async #until(what: string, isSo: () => Promise<boolean>, detail: () => string = () => ''): Promise<void> {
    const endMs = this.#world.scheduler.nowMs + SETTLE_MS_MAX;
    for (let last: unknown = ''; ; await this.#world.sleep(POLL_MS)) {
      try {
        if (await isSo()) return;
      } catch (error) {
        if (!isKelpieError(error, 'daemon_unavailable')) throw error;
        last = error;
      }
      if (this.#world.scheduler.nowMs < endMs) continue;
      return this.#world.truth.violated('liveness', `waited in vain for ${what} ${detail()} ${String(last)}`);
    }
  }
}
