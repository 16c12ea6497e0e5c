/**
 * One VM on whatever drives it. This file holds what acts have in common: one at a time, legal in the state, undone or told. How each
 * act is done is the driver's business (`vm-driver.ts`).
 *
 *   act ──▶ begin (vm_busy, invalid_state) ──▶ work ──▶ new state, events
 *                                                └──▶ failed: the state is as before, or `crashed` when the VMM has ended
 *
 *   the VMM or the guest ends by itself ──▶ everything of it is removed ──▶ `crashed`, or `stopped` for a guest that powered off
 */
import { defined } from '../base/assert.ts';
import type { Bytes } from '../base/bytes.ts';
import { asError, isKelpieError, KelpieError } from '../base/errors.ts';
import type { Clock } from '../env/clock.ts';
import type { GuestAgent } from '../guest/guest-agent.ts';
import { localFailure } from '../snapshot/local-failure.ts';
import type { VmConfig } from '../snapshot/metadata.ts';
import { isSettledWithin } from './bounded.ts';
import type {
  CapturedSnapshot,
  RestoreRequest,
  RestoreTimings,
  SnapshotRequest,
  StartOptions,
  VmEvent,
  VmInstance,
  VmRuntime,
} from './instance.ts';
import {
  AGENT_CONNECT_TIMEOUT_MS,
  CLOCK_CORRECTION_TIMEOUT_MS,
  END_NOTICE_MS,
  QUIESCE_TIMEOUT_MS,
} from './limits.ts';
import { letRun, standingOf } from './standing.ts';
import { illegal, transition } from './state.ts';
import type { VmState } from './state.ts';
import type { AdoptedVm, LiveVmBase, VmDriver, VmEnd } from './vm-driver.ts';

export interface DrivenVm<Live extends LiveVmBase> {
  readonly id: string;
  readonly config: VmConfig;
  readonly clock: Clock;
  readonly driver: VmDriver<Live>;
}

export class DrivenInstance<Live extends LiveVmBase> implements VmInstance {
  readonly id: string;
  readonly config: VmConfig;
  readonly #clock: Clock;
  readonly #driver: VmDriver<Live>;
  #state: VmState;
  #vm: Live | null = null;
  #stopSupervising: (() => void) | null = null;
  #act: string | null = null;
  /** The clearing up after a VM that ended by itself, while it goes on. */
  #ending: Promise<void> | null = null;
  /** Resolves when the snapshot under way is over. */
  #snapshotting: Promise<void> | null = null;
  #listener: (event: VmEvent) => void = () => undefined;
  /** Of the VM that ran last; its files are gone. */
  #lastConsole: Bytes = new Uint8Array(0);

  constructor({ id, config, clock, driver }: DrivenVm<Live>, adopted: AdoptedVm<Live> | null) {
    this.id = id;
    this.config = config;
    this.#clock = clock;
    this.#driver = driver;
    this.#state = adopted?.state ?? 'created';
    if (adopted !== null) this.#keep(adopted.vm);
  }

  get state(): VmState {
    return this.#state;
  }

  get runtime(): VmRuntime | null {
    return this.#vm === null ? null : this.#driver.runtimeOf(this.#vm);
  }

  async start(options: StartOptions): Promise<void> {
    await this.#exclusively('start', () => this.#bringUp('start', () => this.#driver.boot(options)));
  }

  async restore(request: RestoreRequest): Promise<RestoreTimings> {
    return this.#exclusively('restore', async () => {
      let timings: RestoreTimings | null = null;
      await this.#bringUp('restore', async () => {
        const loaded = await this.#driver.load(request);
        timings = loaded.timings;
        return loaded.vm;
      });
      return defined<RestoreTimings>(timings, 'the timings of a restore that succeeded');
    });
  }

  async stop(options: { readonly force?: boolean } = {}): Promise<void> {
    await this.#exclusively('stop', async () => {
      const vm = this.#liveIn('stop', 'running', 'paused');
      this.#stopSupervising?.();
      const gentle = this.#state === 'running' ? 'guest' : 'vmm';
      try {
        await this.#driver.end(vm, options.force === true ? 'kill' : gentle);
        await this.#clearUp(vm);
      } finally {
        // Of what still runs nobody would learn the end otherwise.
        if (vm.process.hasEnded()) this.#over(vm, 'stopped', null);
        else this.#keep(vm);
      }
    });
  }

  async pause(): Promise<void> {
    await this.#exclusively('pause', async () => {
      const vm = this.#liveIn('pause', 'running');
      await vm.link.shut(QUIESCE_TIMEOUT_MS);
      try {
        await this.#driver.stopCpus(vm);
      } catch (error) {
        await this.#undoPause(vm);
        throw error;
      }
      this.#setState('paused', 'pause', null);
    });
  }

  /** A VM that is still called running is to run: what failed may have been done, or be done yet, and what is asked now comes after it. */
  async #undoPause(vm: Live): Promise<void> {
    try {
      await this.#driver.continueCpus(vm);
      vm.link.reopen();
    } catch (error) {
      if (!isKelpieError(error)) throw error;
      await this.#afterFailure(vm, 'pause');
    }
  }

  async resume(): Promise<void> {
    await this.#exclusively('resume', async () => {
      const vm = this.#liveIn('resume', 'paused');
      const failure = await letRun(this.#driver, vm);
      vm.link.reopen();
      this.#setState('running', 'resume', null);
      if (failure !== null) throw failure;
      await vm.link.correctClock(CLOCK_CORRECTION_TIMEOUT_MS);
    });
  }

  async snapshot(request: SnapshotRequest): Promise<CapturedSnapshot> {
    const taking = this.#takeSnapshot(request);
    // Settled either way; `taking` tells who asked.
    const over = taking.then(
      () => undefined,
      () => undefined,
    );
    this.#snapshotting ??= over.finally(() => {
      this.#snapshotting = null;
    });
    return taking;
  }

  async #takeSnapshot(request: SnapshotRequest): Promise<CapturedSnapshot> {
    return this.#exclusively('snapshot', async () => {
      const vm = this.#liveIn('snapshot', 'running', 'paused');
      const isRunning = this.#state === 'running';
      const onDiskSwitched = (): void => this.#listener({ kind: 'runtime' });
      try {
        const captured = await this.#driver.capture(vm, { ...request, isRunning, onDiskSwitched });
        if (isRunning && !request.resume) this.#setState('paused', 'snapshot', null);
        return captured;
      } catch (error) {
        if (isRunning) await this.#afterFailure(vm, 'snapshot');
        throw error;
      }
    });
  }

  /** A VM that was to go on may stand still, when its VMM refused: called running, nobody could resume it. Or its answer alone was late. */
  async #afterFailure(vm: Live, act: string): Promise<void> {
    if (vm.process.hasEnded()) return;
    if ((await standingOf(this.#driver, vm)) === 'still') this.#setState('paused', act, null);
    else vm.link.reopen();
  }

  async agent(): Promise<GuestAgent> {
    if (this.#driver.snapshotEndsConnections) await this.#snapshotting;
    const vm = this.#liveIn('reach the guest of', 'running');
    const options = { timeoutMs: AGENT_CONNECT_TIMEOUT_MS };
    try {
      return await vm.link.connect(options);
    } catch (error) {
      if (!isKelpieError(error, 'guest_unreachable', 'timeout') || !(await this.#mendWay(vm))) throw error;
      return vm.link.connect(options);
    }
  }

  /** False when that changes nothing, or something else is done to the VM now. */
  async #mendWay(vm: Live): Promise<boolean> {
    if (this.#act !== null || this.#vm !== vm || this.#state !== 'running') return false;
    return this.#exclusively('reach the guest of', async () => {
      try {
        return await this.#driver.mendWay(vm);
      } catch (error) {
        await this.#afterFailure(vm, 'reach the guest of');
        throw error;
      }
    });
  }

  async console(): Promise<Bytes> {
    return this.#vm === null ? this.#lastConsole : this.#driver.console(this.#vm);
  }

  onEvent(listener: (event: VmEvent) => void): void {
    this.#listener = listener;
  }

  async close(): Promise<void> {
    this.#stopSupervising?.();
    if (this.#vm !== null) this.#release(this.#vm);
    this.#vm = null;
  }

  /** One act at a time; a failure is told with what happened to the VM meanwhile. */
  async #exclusively<T>(act: string, work: () => Promise<T>): Promise<T> {
    if (this.#act !== null) {
      throw new KelpieError(
        'vm_busy',
        `cannot ${act} "${this.config.name}" now: ${this.#act} is under way.`,
        {
          data: { act, underWay: this.#act },
        },
      );
    }
    this.#act = act;
    const vm = this.#vm;
    try {
      await this.#ending;
      return await work();
    } catch (error) {
      throw await this.#explain(act, vm, error);
    } finally {
      this.#act = null;
    }
  }

  async #explain(act: string, vm: Live | null, error: unknown): Promise<unknown> {
    const told = localFailure(error, `${act} "${this.config.name}"`);
    // What a process that ended leaves in /proc is refused by the system: `ESRCH`, or `EIO` for an empty file.
    if (vm === null || !isKelpieError(told, 'vm_backend_failed', 'guest_unreachable', 'io_failed'))
      return told;
    // The connection may end a moment before the process does.
    const hasEnded = await isSettledWithin(this.#clock, vm.process.ended, END_NOTICE_MS);
    if (!hasEnded) return told;
    await this.#ending;
    return new KelpieError('vm_crashed', `"${this.config.name}" crashed during ${act}.`, { cause: error });
  }

  /** From no process to a running VM, by a boot or a load, which leave nothing behind when they fail. */
  async #bringUp(act: string, work: () => Promise<Live>): Promise<void> {
    this.#setState('starting', act, null);
    let vm: Live;
    try {
      vm = await work();
    } catch (error) {
      this.#setState('stopped', act, asError(error).message);
      throw error;
    }
    this.#lastConsole = new Uint8Array(0);
    this.#keep(vm);
    this.#listener({ kind: 'runtime' });
    this.#setState('running', act, null);
  }

  #keep(vm: Live): void {
    this.#vm = vm;
    const onEnd = (end: VmEnd): void => {
      this.#ending = this.#onEnd(vm, end).finally(() => {
        this.#ending = null;
      });
    };
    const isToRun = (): boolean => this.#act === null && this.#state === 'running';
    this.#stopSupervising = this.#driver.supervise(vm, onEnd, isToRun);
  }

  /** The VM is over without having been asked to. Never rejects: nobody waits for it. */
  async #onEnd(vm: Live, end: VmEnd): Promise<void> {
    const isOrderly = end.kind === 'guest' ? end.reason === 'guest-shutdown' : end.isOrderly;
    const state = isOrderly ? 'stopped' : 'crashed';
    try {
      if (end.kind === 'guest') await this.#driver.end(vm, 'vmm');
      const reason =
        end.kind === 'guest'
          ? `the guest ended: ${end.reason}`
          : `${this.#driver.vmmName} ended: ${await this.#driver.lastWords()}`;
      await this.#clearUp(vm);
      this.#over(vm, state, reason);
    } catch (error) {
      this.#over(vm, state, `it ended, and clearing up failed: ${asError(error).message}`);
    }
  }

  /** Removes what a process that has ended leaves behind. */
  async #clearUp(vm: Live): Promise<void> {
    this.#release(vm);
    this.#lastConsole = await this.#driver.keptConsole(vm);
    await this.#driver.clear();
  }

  /** A VM whose process has ended lives no more, also when something of it is left that could not be removed. */
  #over(vm: Live, state: 'stopped' | 'crashed', reason: string | null): void {
    this.#release(vm);
    this.#vm = null;
    this.#listener({ kind: 'runtime' });
    this.#setState(state, 'stop', reason);
  }

  #release(vm: Live): void {
    vm.link.close();
    this.#driver.release(vm);
  }

  #liveIn(act: string, ...states: readonly VmState[]): Live {
    if (this.#vm === null || !states.includes(this.#state)) throw illegal(this.config.name, this.#state, act);
    return this.#vm;
  }

  #setState(to: VmState, act: string, reason: string | null): void {
    this.#state = transition(this.config.name, this.#state, to, act);
    this.#listener({ kind: 'state', state: to, reason });
  }
}
