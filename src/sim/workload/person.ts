/** A person at a site: random commands through the real client of the daemon. Every refusal with a code is fine; an `internal` one is not. */
import { isKelpieError } from '../../base/errors.ts';
import { fromUtf8, utf8 } from '../../base/bytes.ts';
import type { DaemonClient } from '../../cli/daemon-client.ts';
import { encodeExecFrame } from '../../daemon/api/exec-frames.ts';
import { routes } from '../../daemon/api/routes.ts';
import type { Prng } from '../prng.ts';
import { STORE_PATH } from '../world/world.ts';
import type { Site, World } from '../world/world.ts';
import { newVmModel } from './vm-model.ts';
import type { VmModel } from './vm-model.ts';

const THINK_MS_MAX = 1500;
const PATIENCE_MS_MAX = 3000;
const VMS_MAX = 2;
const quiet = {
  onProgress: async (): Promise<void> => undefined,
  onNotice: async (): Promise<void> => undefined,
};

type ActName =
  | 'up'
  | 'snapshot'
  | 'teleport'
  | 'restoreFromStore'
  | 'restoreLocal'
  | 'count'
  | 'pause'
  | 'resume'
  | 'stop'
  | 'start'
  | 'remove'
  | 'shutdown';

type Act = (vm: VmModel, signal: AbortSignal | undefined) => Promise<void>;

export class Person {
  readonly #world: World;
  readonly #place: string;
  readonly #hasImage: boolean;
  readonly #random: Prng;
  readonly #vms: VmModel[];
  readonly #daemon: DaemonClient;

  constructor(world: World, site: Site, vms: VmModel[], daemon: DaemonClient) {
    this.#world = world;
    this.#place = site.name;
    this.#hasImage = site.hasImage;
    this.#vms = vms;
    this.#daemon = daemon;
    this.#random = world.random.split(`person ${site.name}`);
  }

  /** One command after the other until `isOver`. */
  async work(isOver: () => boolean, onAct: () => void): Promise<void> {
    while (!isOver()) {
      await this.#world.sleep(this.#random.fraction() * THINK_MS_MAX);
      const vm = this.#chooseVm();
      if (vm === null) continue;
      onAct();
      await this.#actOnce(vm);
    }
  }

  async #actOnce(model: VmModel): Promise<void> {
    const name = model.isCreated ? this.#chooseAct(model) : 'up';
    this.#world.truth.mark(`asked ${name}`);
    try {
      await this.#acts[name](model, this.#patience());
      this.#world.truth.mark(`done ${name}`);
    } catch (error) {
      this.#onRefusal(name, error);
    }
  }

  #onRefusal(name: ActName, error: unknown): void {
    if (isKelpieError(error)) {
      this.#world.truth.mark(`${name}: ${error.code}`);
      if (error.code === 'internal')
        this.#world.truth.violated('internal-error', `${name}: ${error.message}`);
      return;
    }
    // The client's own abort, a connection that broke in the middle of an answer.
    this.#world.truth.mark(`${name}: connection lost`);
  }

  /** Sometimes a person presses Ctrl-C. */
  #patience(): AbortSignal | undefined {
    const { faults } = this.#world;
    if (!faults.hits('http_client_gone')) return undefined;
    const abort = new AbortController();
    void this.#world.sleep(this.#random.fraction() ** 2 * PATIENCE_MS_MAX).then(() => {
      faults.tookEffect('http_client_gone');
      abort.abort(new Error('Ctrl-C'));
    });
    return abort.signal;
  }

  /** Null when there is nothing to do here now. */
  #chooseVm(): VmModel | null {
    const known = this.#vms.filter(
      (vm) => !vm.isRemovalAsked && (vm.isCreated || vm.birthplace === this.#place),
    );
    if (this.#hasImage && known.length < VMS_MAX && this.#random.chance(known.length === 0 ? 1 : 0.1))
      return this.#newVm();
    const isAnything = this.#random.chance(0.1);
    const near = known.filter((vm) => isAnything || vm.place === null || vm.place === this.#place);
    return near.length === 0 ? null : this.#random.pick(near);
  }

  #newVm(): VmModel {
    const model = newVmModel(`vm-${this.#vms.length}`, this.#place);
    this.#vms.push(model);
    return model;
  }

  /** Mostly what makes sense where the VM seems to be, sometimes anything. */
  #chooseAct(vm: VmModel): ActName {
    const isAnything = this.#random.chance(0.1);
    const isHere = isAnything || vm.place === this.#place;
    const isAway = isAnything || vm.place !== this.#place;
    const weights: readonly (readonly [ActName, number])[] = [
      ['snapshot', isHere ? 5 : 0],
      ['teleport', isHere ? 6 : 0],
      ['restoreFromStore', vm.place === null ? 10 : isAway ? 1 : 0],
      ['restoreLocal', isHere ? 3 : 0],
      ['count', isHere ? 3 : 0.5],
      ['pause', isHere ? 1 : 0],
      ['resume', isHere ? 2 : 0],
      ['stop', isHere ? 1 : 0],
      ['start', isHere ? 2 : 0],
      ['remove', isHere ? 0.3 : 0],
      ['shutdown', 0.3],
    ];
    let left = this.#random.fraction() * weights.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [name, weight] of weights) {
      left -= weight;
      if (left < 0) return name;
    }
    return 'count';
  }

  get #acts(): Readonly<Record<ActName, Act>> {
    const vmOf = (vm: VmModel): { parameters: { vm: string } } => ({ parameters: { vm: vm.name } });
    const withSignal = (signal: AbortSignal | undefined): { signal?: AbortSignal } =>
      signal === undefined ? {} : { signal };
    return {
      up: async (vm, signal) => {
        const body = { name: vm.name, memoryMib: 128, diskMib: 64 };
        const { vm: made } = await this.#daemon.operate(
          routes.vmCreate,
          { body, ...withSignal(signal) },
          quiet,
        );
        vm.vmKey = made.id.replaceAll('-', '').slice(0, 12);
        vm.isCreated = true;
        vm.place = this.#place;
      },
      snapshot: async (vm, signal) => {
        const before = this.#count(vm);
        await this.#daemon.operate(
          routes.snapshotCreate,
          { ...vmOf(vm), body: { message: 'm' }, ...withSignal(signal) },
          quiet,
        );
        vm.floor = Math.max(vm.floor, before);
      },
      teleport: async (vm, signal) => {
        const before = this.#count(vm);
        const body = { storeUrl: STORE_PATH, message: '', includeImage: true };
        vm.place = null;
        await this.#daemon.operate(routes.teleport, { ...vmOf(vm), body, ...withSignal(signal) }, quiet);
        vm.floor = Math.max(vm.floor, before);
      },
      restoreFromStore: async (vm, signal) => {
        const body = { storeUrl: STORE_PATH, vm: vm.name };
        await this.#daemon.operate(routes.restoreFromStore, { body, ...withSignal(signal) }, quiet);
        vm.place = this.#place;
      },
      restoreLocal: async (vm, signal) => {
        const body = { replace: this.#random.chance(0.7) };
        await this.#daemon.operate(routes.restoreLocal, { ...vmOf(vm), body, ...withSignal(signal) }, quiet);
      },
      count: async (vm) => void (await countOf(this.#daemon, vm.name)),
      pause: async (vm) => void (await this.#daemon.call(routes.vmPause, vmOf(vm))),
      resume: async (vm) => void (await this.#daemon.call(routes.vmResume, vmOf(vm))),
      stop: async (vm) =>
        void (await this.#daemon.call(routes.vmStop, {
          ...vmOf(vm),
          body: { force: this.#random.chance(0.3) },
        })),
      start: async (vm, signal) => {
        // A boot goes on from the disk, not from memory: nothing is promised of the count.
        vm.floor = 0;
        await this.#daemon.operate(routes.vmStart, { ...vmOf(vm), ...withSignal(signal) }, quiet);
      },
      remove: async (vm) => {
        vm.isRemovalAsked = true;
        await this.#daemon.call(routes.vmRemove, { ...vmOf(vm), query: { force: true } });
      },
      shutdown: async () => void (await this.#daemon.call(routes.shutdown)),
    };
  }

  /** What the guest has counted to by now, as the world knows: no state that is taken later is behind it. */
  #count(vm: VmModel): number {
    if (vm.vmKey === null) return 0;
    const counts = this.#world.truth.running(vm.vmKey).map(({ count }) => count);
    return Math.max(0, ...counts);
  }
}

/** Runs `count` in a VM. */
export async function countOf(daemon: DaemonClient, vm: string): Promise<number> {
  const open = { start: { argv: ['count'] } };
  async function* frames(): AsyncGenerator<Uint8Array> {
    yield encodeExecFrame('open', utf8(JSON.stringify(open)));
  }
  let text = '';
  for await (const frame of await daemon.attach(vm, frames())) {
    if (frame.kind === 'stdout') text += fromUtf8(frame.payload);
    if (frame.kind === 'error') throw new Error(fromUtf8(frame.payload));
  }
  return Number(text);
}
