/** QEMU under `DrivenInstance`: each act is in its own file. */
import type { Bytes } from '../../base/bytes.ts';
import type { CapturedSnapshot, RestoreRequest, StartOptions, VmRuntime } from '../instance.ts';
import { logTail } from '../log-file.ts';
import { emptyRunDirectory } from '../run-directory.ts';
import { runtimeOf } from '../runtime.ts';
import type { CaptureRequest, LoadedVm, StopFrom, VmDriver, VmEnd } from '../vm-driver.ts';
import { boot } from './boot.ts';
import { capture } from './capture.ts';
import type { LiveVm, VmContext } from './context.ts';
import { load } from './load.ts';
import { continueCpus, queryRunState, stopCpus } from './qmp-commands.ts';
import { runFiles } from './run-files.ts';
import { endProcess } from './stop.ts';
import { supervise } from './supervise.ts';

export class QemuDriver implements VmDriver<LiveVm> {
  readonly vmmName = 'QEMU';
  readonly snapshotEndsConnections = false;
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
    await stopCpus(vm.process.qmp);
  }

  async continueCpus(vm: LiveVm): Promise<void> {
    await continueCpus(vm.process.qmp);
  }

  /** A virtio-serial port stays open across pauses and snapshots. */
  async mendWay(): Promise<boolean> {
    return false;
  }

  async isPaused(vm: LiveVm): Promise<boolean> {
    return (await queryRunState(vm.process.qmp)) === 'paused';
  }

  async end(vm: LiveVm, from: StopFrom): Promise<void> {
    await endProcess(this.#context.env, vm, from);
  }

  supervise(vm: LiveVm, onEnd: (end: VmEnd) => void, isToRun: () => boolean): () => void {
    return supervise(this.#context.env, vm, this.#logPath, onEnd, isToRun);
  }

  runtimeOf(vm: LiveVm): VmRuntime {
    return runtimeOf(vm);
  }

  async console(vm: LiveVm): Promise<Bytes> {
    return vm.console.read(vm.process.qmp);
  }

  async keptConsole(vm: LiveVm): Promise<Bytes> {
    return vm.console.kept();
  }

  async lastWords(): Promise<string> {
    return logTail(this.#context.env, this.#logPath);
  }

  release(vm: LiveVm): void {
    vm.process.qmp.close();
  }

  async clear(): Promise<void> {
    await emptyRunDirectory(this.#context.env, this.#context.places.runDirectory);
  }

  get #logPath(): string {
    return runFiles(this.#context.places.runDirectory).log;
  }
}
