/** What stands behind Firecracker's rules here: this machine's files, and QEMU (`../../src/sim/firecracker/platform.ts` is the contract). */
import { randomUUID } from 'node:crypto';
import { statSync } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { MIB } from '../../src/base/units.ts';
import type { Configured, Platform, RunningMachine, Start } from '../../src/sim/firecracker/platform.ts';
import type { Version } from '../../src/sim/firecracker/version.ts';
import type { Faults } from './faults.ts';
import type { GuestMemory } from './guest-memory.ts';
import { bootableKernel } from './kernel-image.ts';
import type { Machine } from './machine.ts';
import { assertMayOpen, giveToJail, hostPath } from './paths.ts';
import type { ProcessWatch } from './process-watch.ts';
import { qemuLine } from './qemu-arguments.ts';
import type { Jail, Settings } from './settings.ts';
import { assertTap } from './tap.ts';
import { Vsock } from './vsock.ts';

/** A machine, and the emulator that it is. */
export interface StandInMachine extends RunningMachine {
  readonly qemu: Machine;
}

export class StandInPlatform implements Platform<StandInMachine> {
  readonly version: Version;
  readonly #settings: Settings;
  readonly #faults: Faults;
  readonly #watch: ProcessWatch;

  constructor(settings: Settings, faults: Faults, watch: ProcessWatch) {
    this.version = settings.version;
    this.#settings = settings;
    this.#faults = faults;
    this.#watch = watch;
  }

  assertMayOpen(path: string, mode: 'r' | 'rw'): void {
    assertMayOpen(this.#at(path), mode, this.#settings.jail);
  }

  sizeOf(path: string): number {
    return statSync(this.#at(path)).size;
  }

  assertTap(name: string, failure: string): void {
    assertTap(name, failure);
  }

  bootableKernel(path: string): string {
    return bootableKernel(this.#at(path), this.#settings.hasBzImage);
  }

  async readFile(path: string): Promise<Uint8Array> {
    return await readFile(this.#at(path));
  }

  async writeFile(path: string, bytes: Uint8Array): Promise<void> {
    const file = await open(this.#at(path), 'w');
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    giveToJail(this.#at(path), this.#settings.jail);
  }

  async listenVsock(path: string): Promise<Vsock> {
    this.#watch.exitIfOver();
    const listening = await Vsock.listen(this.#at(path), this.#faults, this.#watch.kill);
    giveToJail(this.#at(path), this.#settings.jail);
    return listening;
  }

  async launch(configured: Configured, start: Start, isAgentListening: boolean): Promise<StandInMachine> {
    // Loaded with the first machine: it takes longer than all the rest of a process that never starts one.
    const [{ Machine }, { GuestMemory }] = await Promise.all([
      import('./machine.ts'),
      import('./guest-memory.ts'),
    ]);
    const { qemu, jail } = this.#settings;
    const { machine: config, devices, serialPath } = configured;
    const name = `firecracker-stand-in-${randomUUID()}`;
    const sockets = { control: `${name}-control`, agent: `${name}-agent` };
    const line = qemuLine({
      ...{ qemu, machine: config, devices, sockets },
      start: this.#onHost(start),
      serialPath: serialPath === null ? null : this.#at(serialPath),
      hostPath: (path) => this.#at(path),
    });
    const machine = await Machine.start(line, sockets, isAgentListening);
    const address = await machine.memoryAddress();
    const memory = new GuestMemory(this.#watch.pid, address, config.memoryMib * MIB, config.trackDirtyPages);
    return withMemory(machine, memory, jail);
  }

  #onHost(start: Start): Start {
    if (start.kind === 'load') return { ...start, memoryPath: this.#at(start.memoryPath) };
    return { ...start, initrd: start.initrd === null ? null : this.#at(start.initrd) };
  }

  #at(path: string): string {
    return hostPath(path, this.#settings.jail);
  }
}

function withMemory(machine: Machine, memory: GuestMemory, jail: Jail | null): StandInMachine {
  return {
    qemu: machine,
    get isAgentListening() {
      return machine.isAgentListening;
    },
    pause: () => machine.pause(),
    resume: () => machine.resume(),
    sendCtrlAltDel: () => machine.sendCtrlAltDel(),
    deviceState: (besides) => machine.deviceState(hostPath(besides, jail)),
    loadDeviceState: (path, offset) => machine.loadDeviceState(hostPath(path, jail), offset),
    saveMemory: async (path, kind) => {
      const target = hostPath(path, jail);
      await (kind === 'Diff' ? memory.saveDiff(target) : memory.saveFull(target));
      giveToJail(target, jail);
    },
  };
}
