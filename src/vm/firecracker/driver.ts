/** Firecracker under `DrivenInstance`: each act is in its own file. */
import type { Bytes } from '../../base/bytes.ts';
import type { CapturedSnapshot, RestoreRequest, StartOptions, VmRuntime } from '../instance.ts';
import { logTail } from '../log-file.ts';
import { runtimeOf } from '../runtime.ts';
import type { CaptureRequest, LoadedVm, StopFrom, VmDriver, VmEnd } from '../vm-driver.ts';
import { describeInstance } from './api/calls.ts';
import { boot } from './boot.ts';
import { capture } from './capture.ts';
import { readConsole } from './console.ts';
import type { LiveVm, VmContext } from './context.ts';
import { load } from './load.ts';
import { goOn, mendVsock, pause } from './pause.ts';
import { clearUp, placesOf } from './start-process.ts';
import { endProcess } from './stop.ts';
import { supervise } from './supervise.ts';

export class FirecrackerDriver implements VmDriver<LiveVm> {
  readonly vmmName = 'Firecracker';
  readonly snapshotEndsConnections = true;
  readonly #context: VmContext;

  constructor(context: VmContext) {
    this.#context = context;
  }

  async boot(options: StartOptions): Promise<LiveVm> {
    return boot(this.#context, options);
  }

  async load(request: RestoreRequest): Promise<LoadedVm<LiveVm>> {
    return load(this.#context, request);
  }

  async capture(vm: LiveVm, request: CaptureRequest): Promise<CapturedSnapshot> {
    return capture(this.#context, vm, request);
  }

  async stopCpus(vm: LiveVm): Promise<void> {
    await pause(vm);
  }

  async continueCpus(vm: LiveVm): Promise<void> {
    await goOn(this.#context, vm);
  }

  async isPaused(vm: LiveVm): Promise<boolean> {
    return (await describeInstance(vm.process.api)).state === 'Paused';
  }

  async mendWay(vm: LiveVm): Promise<boolean> {
    return mendVsock(this.#context, vm);
  }

  async end(vm: LiveVm, from: StopFrom): Promise<void> {
    await endProcess(this.#context, vm, from);
  }

  supervise(vm: LiveVm, onEnd: (end: VmEnd) => void): () => void {
    return supervise(this.#context.env, vm, onEnd);
  }

  runtimeOf(vm: LiveVm): VmRuntime {
    return runtimeOf(vm, {
      ...(vm.tap === null ? {} : { tap: vm.tap }),
      ...(vm.mapped === null ? {} : { mapped: vm.mapped }),
    });
  }

  async console(vm: LiveVm): Promise<Bytes> {
    return readConsole(this.#context.env, vm.places.console);
  }

  async keptConsole(vm: LiveVm): Promise<Bytes> {
    return readConsole(this.#context.env, vm.places.console);
  }

  async lastWords(): Promise<string> {
    const { program } = await this.#context.abilities();
    return logTail(this.#context.env, placesOf(this.#context, program).log);
  }

  release(): void {
    // Each question to the API has a connection of its own.
  }

  async clear(): Promise<void> {
    await clearUp({ ...this.#context, runDirectory: this.#context.places.runDirectory });
  }
}
