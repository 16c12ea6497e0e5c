/**
 * One instance of Firecracker: its rules, in the order of its life. The simulated one and the stand-in for tests have these; what runs the guest
 * behind them differs (`platform.ts`).
 *
 *   not started ──▶ configuration (any number of requests) ──▶ InstanceStart ──▶ running ⇄ paused
 *        │                                                                          ▲
 *        └── only logger, metrics and serial ──▶ snapshot/load ────────────────────┘
 *
 * Snapshots are of a paused machine; a load that fails ends the process.
 */
import { MIB } from '../../base/units.ts';
import { Fault, osError } from './fault.ts';
import { flag, optionalMembers, optionalText, text } from './fields.ts';
import type { Members } from './fields.ts';
import type { Platform, RunningMachine, Start, VsockDevice } from './platform.ts';
import { assertDriveOpens, Resources } from './resources.ts';
import {
  decodeConfiguration,
  encodeConfiguration,
  loadFault,
  overrideDevices,
} from './snapshot-configuration.ts';
import { encodeStateFile, parseStateFile, stateFileFault } from './state-file.ts';
import type { StateFile } from './state-file.ts';
import { losesVsockOnResume, snapshotFormat } from './version.ts';

export type InstanceState = 'Not started' | 'Running' | 'Paused';

export class Instance<Machine extends RunningMachine> {
  readonly #platform: Platform<Machine>;
  readonly resources: Resources;
  #state: InstanceState = 'Not started';
  /** Something other than logger, metrics and serial was configured: nothing can be loaded any more. */
  #isConfigured = false;
  #machine: Machine | null = null;
  #vsock: VsockDevice<Machine> | null = null;
  /** Whether a snapshot was taken since the machine was paused. */
  #hasSnapshot = false;

  constructor(platform: Platform<Machine>) {
    this.#platform = platform;
    this.resources = new Resources(platform);
  }

  get state(): InstanceState {
    return this.#state;
  }

  /** @throws Fault when the machine runs already; what `change` throws leaves everything as it was. */
  configure(change: (resources: Resources) => void): void {
    this.#requireNotStarted();
    // As in Firecracker, also a request that is refused takes the way to a load away.
    this.#isConfigured = true;
    change(this.resources);
  }

  /** What may be set before a load as well. @throws Fault when the machine runs already. */
  async prepare(change: () => void | Promise<void>): Promise<void> {
    this.#requireNotStarted();
    await change();
  }

  async setVsock(config: Members): Promise<void> {
    this.configure(() => undefined);
    await this.#vsock?.close();
    this.#vsock = null;
    try {
      this.#vsock = await this.#platform.listenVsock(text(config, 'uds_path'));
    } catch (error) {
      const failure = 'Vsock config error: Cannot create backend for vsock device: ';
      throw new Fault(`${failure}Error binding to the host-side Unix socket: ${osError(error)}`);
    }
    this.resources.devices = { ...this.resources.devices, vsock: config };
  }

  async start(): Promise<void> {
    this.#requireNotStarted();
    const { bootSource } = this.resources;
    if (bootSource === null) {
      throw new Fault('Start microvm error: Cannot start microvm without kernel configuration.');
    }
    const kernel = this.#platform.bootableKernel(text(bootSource, 'kernel_image_path'));
    this.#checkBackends('Start microvm error: ');
    await this.#launch(
      {
        kind: 'boot',
        kernel,
        initrd: optionalText(bootSource, 'initrd_path'),
        bootArguments: optionalText(bootSource, 'boot_args'),
      },
      false,
    );
    await this.resume();
  }

  /** @throws Fault, after which the process ends unless it was `LoadSnapshotNotAllowed`. */
  async load(request: Members): Promise<void> {
    this.#requireNotStarted();
    if (this.#isConfigured) {
      const reason = 'Loading a microVM snapshot not allowed after configuring boot-specific resources.';
      throw new Fault(`Load snapshot error: ${reason}`);
    }
    const statePath = text(request, 'snapshot_path');
    const state = await this.#readState(statePath);
    const { machine, devices, mmdsConfig, isAgentListening } = decodeConfiguration(state.configuration);
    const isTracked = flag(request, 'track_dirty_pages') || flag(request, 'enable_diff_snapshots');
    this.resources.machine = { ...machine, trackDirtyPages: isTracked };
    this.resources.devices = overrideDevices(devices, request);
    this.resources.mmdsConfig = mmdsConfig;
    const memoryPath = this.#memoryFile(request);
    this.#checkBackends('Failed to build microVM from snapshot: ');
    try {
      const { vsock } = this.resources.devices;
      if (vsock !== null) this.#vsock = await this.#platform.listenVsock(text(vsock, 'uds_path'));
      const launched = await this.#launch({ kind: 'load', memoryPath }, isAgentListening);
      await launched.loadDeviceState(statePath, state.deviceStateOffset);
    } catch (error) {
      if (error instanceof Fault) throw error;
      throw loadFault(`Failed to build microVM from snapshot: ${osError(error)}`);
    }
    this.#state = 'Paused';
    // What was open when the snapshot was taken is not there any more, so nothing can be unheard.
    this.#hasSnapshot = true;
    if (flag(request, 'resume_vm')) await this.resume();
  }

  async pause(): Promise<void> {
    const machine = this.requireStarted();
    if (this.#state === 'Paused') return;
    await machine.pause();
    this.#vsock?.pause();
    this.#state = 'Paused';
    this.#hasSnapshot = false;
  }

  async resume(): Promise<void> {
    const machine = this.requireStarted();
    const isBare = this.#state === 'Paused' && !this.#hasSnapshot;
    await machine.resume();
    this.#vsock?.resume(machine, isBare && losesVsockOnResume(this.#platform.version));
    this.#state = 'Running';
  }

  async createSnapshot(request: Members): Promise<void> {
    const machine = this.requireStarted();
    const failure = 'Create snapshot error: ';
    if (this.#state !== 'Paused') {
      const reason = 'Operation not allowed: save/restore unavailable while running';
      throw new Fault(`${failure}Cannot save the microVM state: ${reason}`);
    }
    const { machine: config, devices, mmdsConfig } = this.resources;
    const statePath = text(request, 'snapshot_path');
    try {
      const configuration = encodeConfiguration({
        machine: config,
        devices,
        mmdsConfig,
        isAgentListening: machine.isAgentListening,
      });
      const deviceState = await machine.deviceState(statePath);
      const format = snapshotFormat(this.#platform.version);
      await this.#platform.writeFile(statePath, encodeStateFile(format, configuration, deviceState));
    } catch (error) {
      throw new Fault(`${failure}Cannot perform open on the snapshot backing file: ${osError(error)}`);
    }
    try {
      const kind = optionalText(request, 'snapshot_type') === 'Diff' ? 'Diff' : 'Full';
      await machine.saveMemory(text(request, 'mem_file_path'), kind);
    } catch (error) {
      throw new Fault(`${failure}Cannot perform open on the memory backing file: ${osError(error)}`);
    }
    this.#vsock?.reset();
    this.#hasSnapshot = true;
  }

  /** @throws Fault when nothing runs yet. */
  requireStarted(): Machine {
    if (this.#machine !== null) return this.#machine;
    throw new Fault('The requested operation is not supported before starting the microVM.');
  }

  #requireNotStarted(): void {
    if (this.#state === 'Not started') return;
    throw new Fault('The requested operation is not supported after starting the microVM.');
  }

  /** @throws Fault when something that a device stands for is not there. */
  #checkBackends(failure: string): void {
    const { drives, networkInterfaces } = this.resources.devices;
    const isLoad = this.#state === 'Not started' && !this.#isConfigured;
    try {
      for (const drive of drives) assertDriveOpens(drive, this.#platform, failure);
      for (const net of networkInterfaces) this.#platform.assertTap(text(net, 'host_dev_name'), failure);
    } catch (error) {
      if (error instanceof Fault && isLoad) throw loadFault(error.message);
      throw error;
    }
  }

  async #readState(path: string): Promise<StateFile> {
    try {
      this.#platform.assertMayOpen(path, 'r');
      const bytes = await this.#platform.readFile(path);
      return parseStateFile(bytes, snapshotFormat(this.#platform.version));
    } catch (error) {
      throw loadFault(`Failed to get snapshot state from file: ${stateFileFault(error)}`);
    }
  }

  /** @returns the path of a file that can be mapped in whole. */
  #memoryFile(request: Members): string {
    const backend = optionalMembers(request, 'mem_backend');
    if (backend !== null && text(backend, 'backend_type') === 'Uffd') {
      throw loadFault(
        'Failed to load guest memory: Error creating guest memory from uffd: there is none here',
      );
    }
    const path = backend === null ? text(request, 'mem_file_path') : text(backend, 'backend_path');
    const failure = 'Failed to load guest memory: Error creating guest memory from file: ';
    try {
      this.#platform.assertMayOpen(path, 'r');
    } catch (error) {
      throw loadFault(`${failure}Failed to load guest memory: ${osError(error)}`);
    }
    if (this.#platform.sizeOf(path) < this.resources.machine.memoryMib * MIB) {
      const reason = 'Total sum of memory regions exceeds largest possible file offset';
      throw loadFault(`${failure}Failed to restore guest memory: ${reason}`);
    }
    return path;
  }

  async #launch(start: Start, isAgentListening: boolean): Promise<Machine> {
    const { machine, devices, serialPath } = this.resources;
    this.#machine = await this.#platform.launch({ machine, devices, serialPath }, start, isAgentListening);
    return this.#machine;
  }
}
