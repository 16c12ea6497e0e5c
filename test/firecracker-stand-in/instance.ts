/**
 * One instance of Firecracker: its rules, in the order of its life.
 *
 *   not started ──▶ configuration (any number of requests) ──▶ InstanceStart ──▶ running ⇄ paused
 *        │                                                                          ▲
 *        └── only logger, metrics and serial ──▶ snapshot/load ────────────────────┘
 *
 * Snapshots are of a paused machine; a load that fails ends the process.
 */
import { randomUUID } from 'node:crypto';
import { statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { MIB } from '../../src/base/units.ts';
import { Fault, osError } from './fault.ts';
import type { Faults } from './faults.ts';
import { flag, optionalMembers, optionalText, text } from './fields.ts';
import type { Members } from './fields.ts';
import type { GuestMemory } from './guest-memory.ts';
import { bootableKernel } from './kernel-image.ts';
import type { Machine } from './machine.ts';
import type { ProcessWatch } from './process-watch.ts';
import { assertMayOpen, giveToJail, hostPath } from './paths.ts';
import { qemuLine } from './qemu-arguments.ts';
import type { Start } from './qemu-arguments.ts';
import { assertDriveOpens, Resources } from './resources.ts';
import type { Settings } from './settings.ts';
import {
  decodeConfiguration,
  encodeConfiguration,
  loadFault,
  overrideDevices,
} from './snapshot-configuration.ts';
import { encodeStateFile, readStateFile, stateFileFault } from './state-file.ts';
import type { StateFile } from './state-file.ts';
import { assertTap } from './tap.ts';
import { losesVsockOnResume, snapshotFormat } from './version.ts';
import { Vsock } from './vsock.ts';

export type InstanceState = 'Not started' | 'Running' | 'Paused';

/** A machine that runs, and its memory. */
interface Started {
  readonly machine: Machine;
  readonly memory: GuestMemory;
}

export class Instance {
  readonly #settings: Settings;
  readonly #faults: Faults;
  readonly #watch: ProcessWatch;
  readonly resources: Resources;
  #state: InstanceState = 'Not started';
  /** Something other than logger, metrics and serial was configured: nothing can be loaded any more. */
  #isConfigured = false;
  #started: Started | null = null;
  #vsock: Vsock | null = null;
  /** Whether a snapshot was taken since the machine was paused. */
  #hasSnapshot = false;

  constructor(settings: Settings, faults: Faults, watch: ProcessWatch) {
    this.#settings = settings;
    this.#faults = faults;
    this.#watch = watch;
    this.resources = new Resources(settings.jail);
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
  prepare(change: () => void): void {
    this.#requireNotStarted();
    change();
  }

  async setVsock(config: Members): Promise<void> {
    this.configure(() => undefined);
    this.#vsock?.close();
    this.#vsock = null;
    try {
      this.#vsock = await this.#listen(config);
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
    const { jail, hasBzImage } = this.#settings;
    const kernel = bootableKernel(hostPath(text(bootSource, 'kernel_image_path'), jail), hasBzImage);
    this.#checkBackends('Start microvm error: ');
    const initrd = optionalText(bootSource, 'initrd_path');
    await this.#launch(
      {
        kind: 'boot',
        kernel,
        initrd: initrd === null ? null : hostPath(initrd, jail),
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
    const { jail } = this.#settings;
    const statePath = hostPath(text(request, 'snapshot_path'), jail);
    const state = this.#readState(statePath);
    const { machine, devices, mmdsConfig, isAgentListening } = decodeConfiguration(state.configuration);
    const isTracked = flag(request, 'track_dirty_pages') || flag(request, 'enable_diff_snapshots');
    this.resources.machine = { ...machine, trackDirtyPages: isTracked };
    this.resources.devices = overrideDevices(devices, request);
    this.resources.mmdsConfig = mmdsConfig;
    const memoryPath = this.#memoryFile(request);
    this.#checkBackends('Failed to build microVM from snapshot: ');
    try {
      const { vsock } = this.resources.devices;
      if (vsock !== null) this.#vsock = await this.#listen(vsock);
      const { machine: launched } = await this.#launch({ kind: 'load', memoryPath }, isAgentListening);
      await launched.loadDeviceState(statePath, state.deviceStateOffset);
    } catch (error) {
      throw loadFault(`Failed to build microVM from snapshot: ${osError(error)}`);
    }
    this.#state = 'Paused';
    // What was open when the snapshot was taken is not there any more, so nothing can be unheard.
    this.#hasSnapshot = true;
    if (flag(request, 'resume_vm')) await this.resume();
  }

  async pause(): Promise<void> {
    const { machine } = this.requireStarted();
    if (this.#state === 'Paused') return;
    await machine.pause();
    this.#vsock?.pause();
    this.#state = 'Paused';
    this.#hasSnapshot = false;
  }

  async resume(): Promise<void> {
    const { machine } = this.requireStarted();
    const isBare = this.#state === 'Paused' && !this.#hasSnapshot;
    await machine.resume();
    this.#vsock?.resume(machine, isBare && losesVsockOnResume(this.#settings.version));
    this.#state = 'Running';
  }

  async createSnapshot(request: Members): Promise<void> {
    const { machine, memory } = this.requireStarted();
    const failure = 'Create snapshot error: ';
    if (this.#state !== 'Paused') {
      const reason = 'Operation not allowed: save/restore unavailable while running';
      throw new Fault(`${failure}Cannot save the microVM state: ${reason}`);
    }
    const { jail, version } = this.#settings;
    const { machine: config, devices, mmdsConfig } = this.resources;
    const statePath = hostPath(text(request, 'snapshot_path'), jail);
    const memoryPath = hostPath(text(request, 'mem_file_path'), jail);
    try {
      const configuration = encodeConfiguration({
        machine: config,
        devices,
        mmdsConfig,
        isAgentListening: machine.isAgentListening,
      });
      const deviceState = await machine.deviceState(statePath);
      await writeSynced(statePath, encodeStateFile(snapshotFormat(version), configuration, deviceState));
    } catch (error) {
      throw new Fault(`${failure}Cannot perform open on the snapshot backing file: ${osError(error)}`);
    }
    try {
      await (optionalText(request, 'snapshot_type') === 'Diff'
        ? memory.saveDiff(memoryPath)
        : memory.saveFull(memoryPath));
    } catch (error) {
      throw new Fault(`${failure}Cannot perform open on the memory backing file: ${osError(error)}`);
    }
    giveToJail(statePath, jail);
    giveToJail(memoryPath, jail);
    this.#vsock?.reset();
    this.#hasSnapshot = true;
  }

  /** @throws Fault when nothing runs yet. */
  requireStarted(): Started {
    if (this.#started !== null) return this.#started;
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
      for (const drive of drives) assertDriveOpens(drive, this.#settings.jail, failure);
      for (const net of networkInterfaces) assertTap(text(net, 'host_dev_name'), failure);
    } catch (error) {
      if (error instanceof Fault && isLoad) throw loadFault(error.message);
      throw error;
    }
  }

  #readState(path: string): StateFile {
    try {
      assertMayOpen(path, 'r', this.#settings.jail);
      return readStateFile(path, snapshotFormat(this.#settings.version));
    } catch (error) {
      throw loadFault(`Failed to get snapshot state from file: ${stateFileFault(error)}`);
    }
  }

  /** @returns a path that can be mapped in whole. */
  #memoryFile(request: Members): string {
    const backend = optionalMembers(request, 'mem_backend');
    if (backend !== null && text(backend, 'backend_type') === 'Uffd') {
      throw loadFault(
        'Failed to load guest memory: Error creating guest memory from uffd: the stand-in has none',
      );
    }
    const path = backend === null ? text(request, 'mem_file_path') : text(backend, 'backend_path');
    const { jail } = this.#settings;
    const failure = 'Failed to load guest memory: Error creating guest memory from file: ';
    try {
      assertMayOpen(hostPath(path, jail), 'r', jail);
    } catch (error) {
      throw loadFault(`${failure}Failed to load guest memory: ${osError(error)}`);
    }
    if (statSync(hostPath(path, jail)).size < this.resources.machine.memoryMib * MIB) {
      const reason = 'Total sum of memory regions exceeds largest possible file offset';
      throw loadFault(`${failure}Failed to restore guest memory: ${reason}`);
    }
    return hostPath(path, jail);
  }

  async #launch(start: Start, isAgentListening: boolean): Promise<Started> {
    // Loaded with the first machine: it takes longer than all the rest of a process that never starts one.
    const [{ Machine }, { GuestMemory }] = await Promise.all([
      import('./machine.ts'),
      import('./guest-memory.ts'),
    ]);
    const { qemu, jail } = this.#settings;
    const { machine: config, devices, serialPath } = this.resources;
    const name = `firecracker-stand-in-${randomUUID()}`;
    const sockets = { control: `${name}-control`, agent: `${name}-agent` };
    const line = qemuLine({
      ...{ qemu, machine: config, devices, start, sockets },
      serialPath: serialPath === null ? null : hostPath(serialPath, jail),
      hostPath: (path) => hostPath(path, jail),
    });
    const machine = await Machine.start(line, sockets, isAgentListening);
    const address = await machine.memoryAddress();
    const memory = new GuestMemory(this.#watch.pid, address, config.memoryMib * MIB, config.trackDirtyPages);
    this.#started = { machine, memory };
    return this.#started;
  }

  async #listen(vsock: Members): Promise<Vsock> {
    const path = hostPath(text(vsock, 'uds_path'), this.#settings.jail);
    this.#watch.exitIfOver();
    const listening = await Vsock.listen(path, this.#faults, this.#watch.kill);
    giveToJail(path, this.#settings.jail);
    return listening;
  }
}

async function writeSynced(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'w');
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}
