/**
 * The simulated machine behind Firecracker's rules: memory, disk, guest.
 *
 *     boot: anonymous memory ──resume──▶ kernel, then the agent listens
 *     load: memory file, mapped privately ──device state──▶ as it was
 */
import { defined } from '../../../base/assert.ts';
import { concat } from '../../../base/bytes.ts';
import { MIB, PAGE_BYTES } from '../../../base/units.ts';
import type { Env } from '../../../env/env.ts';
import { BATCH_EXTENTS_MAX } from '../../../env/files.ts';
import type { FileHandle } from '../../../env/files.ts';
import { isSystemError } from '../../../env/system-error.ts';
import { fileInode } from '../../disk/inode.ts';
import { lookup } from '../../disk/paths.ts';
import { flag, text } from '../../firecracker/fields.ts';
import type { Configured, RunningMachine, SnapshotKind, Start } from '../../firecracker/platform.ts';
import { loadFault } from '../../firecracker/snapshot-configuration.ts';
import { deviceStateIn } from '../../firecracker/state-file.ts';
import type { SimProcess } from '../../process.ts';
import { decodeDeviceState, encodeDeviceState } from '../device-state.ts';
import { openLayer } from '../guest-disk.ts';
import { GuestRam, NO_FILE } from '../guest-ram.ts';
import { HeldGuest } from '../held-guest.ts';
import type { KernelObjects } from './kernel-objects.ts';
import { showMemory } from '../memory-proc.ts';
import type { WorldTruth } from '../world-truth.ts';

/** Simulated milliseconds. */
const BOOT_MS_MAX = 1500;
const END_MS_MAX = 800;
const STATE_FILE_BYTES_MAX: number = MIB;

/** What the machine is part of. */
export interface SimFirecracker {
  readonly process: SimProcess;
  readonly env: Env;
  readonly truth: WorldTruth;
  /** In the VM's run directory, as if it were not caged. */
  readonly socketPath: string;
  /** Null: there are no network devices for it. */
  readonly kernel: KernelObjects | null;
  /** A path of a client, as the host has it. */
  readonly at: (path: string) => string;
  /** The guest has ended, and the process does. @param words that the guest printed last; null: none. */
  readonly onGuestEnd: (words: string | null) => void;
}

export class SimMachine implements RunningMachine {
  readonly held: HeldGuest;
  readonly #firecracker: SimFirecracker;
  readonly #isTracked: boolean;
  #isBooted: boolean;
  #isAgentListening: boolean;

  constructor(
    firecracker: SimFirecracker,
    { machine, devices }: Configured,
    start: Start,
    isAgentListening: boolean,
  ) {
    const { process, env, truth, socketPath, at, onGuestEnd } = firecracker;
    this.#firecracker = firecracker;
    this.#isTracked = machine.trackDirtyPages;
    this.#isBooted = start.kind === 'load';
    this.#isAgentListening = isAgentListening;
    const memoryBytes = machine.memoryMib * MIB;
    const ram = new GuestRam(memoryOf(process, start, at), memoryBytes);
    const disk = devices.drives.find((drive) => !flag(drive, 'is_read_only'));
    this.held = new HeldGuest({
      process,
      env,
      truth,
      socketPath,
      ram,
      chain: disk === undefined ? [] : [openLayer(process.machine, at(text(disk, 'path_on_host')), 'raw')],
      onPowerOff: () => void this.#powerOff(),
      onCrash: () => {
        truth.died.add(this.held.guest.vmKey);
        this.held.stop();
        onGuestEnd('Kernel panic - not syncing: simulated');
      },
    });
    if (start.kind === 'load') showMemory(process, at(start.memoryPath), ram);
  }

  get isAgentListening(): boolean {
    return this.#isAgentListening;
  }

  async pause(): Promise<void> {
    this.held.stop();
  }

  async resume(): Promise<void> {
    if (!this.#isBooted) void this.#boot();
    if (!this.held.guest.isRunning) this.held.run();
  }

  async sendCtrlAltDel(): Promise<void> {
    if (this.#isAgentListening) void this.#powerOff();
  }

  async deviceState(): Promise<Uint8Array> {
    return encodeDeviceState(this.#firecracker.env.compute, this.held.state);
  }

  async loadDeviceState(path: string, offset: number): Promise<void> {
    const { env, process, at, truth } = this.#firecracker;
    const file = await env.files.readFile(at(path), STATE_FILE_BYTES_MAX);
    const state = decodeDeviceState(env.compute, deviceStateIn(file, offset));
    const { faults } = process.machine;
    if (state === null || faults.hit('snapshot_restore_fail', process.label) !== null) {
      throw loadFault(
        'Failed to build microVM from snapshot: Cannot restore the state of a vCPU: Invalid argument (os error 22)',
      );
    }
    this.held.load(state);
    truth.mark('firecracker: restored');
  }

  /** A file of the memory's size that is there is written over, as Firecracker does. */
  async saveMemory(path: string, kind: SnapshotKind): Promise<void> {
    const { env, at, truth } = this.#firecracker;
    const { ram } = this.held.guest;
    const touched = ram.takeTouched();
    const sizeBytes = ram.pageCount * PAGE_BYTES;
    const isThere = (await sizeOf(env, at(path))) === sizeBytes;
    const file = await env.files.open(at(path), isThere ? 'r+' : 'w');
    try {
      if (!isThere) await file.truncate(sizeBytes);
      const stale = isThere ? this.#pagesOf(at(path)) : [];
      if (kind === 'Diff') await writePages(file, ram, this.#isTracked ? touched : ram.written);
      else await writePages(file, ram, [...new Set([...ram.filled, ...stale])]);
      await file.sync();
    } finally {
      await file.close();
    }
    truth.mark('firecracker: snapshotted');
  }

  async #powerOff(): Promise<void> {
    const { env, process, onGuestEnd } = this.#firecracker;
    await env.clock.sleep(process.machine.random.fraction() * END_MS_MAX);
    if (!this.held.guest.isRunning) return;
    this.held.stop();
    onGuestEnd(null);
  }

  /** Those that a file has. */
  #pagesOf(path: string): readonly number[] {
    const { inode } = lookup(this.#firecracker.process.machine, path, 'open');
    return inode.kind === 'file' ? [...inode.contents.pages] : [];
  }

  async #boot(): Promise<void> {
    const { env, process } = this.#firecracker;
    this.#isBooted = true;
    this.held.guest.boot();
    await env.clock.sleep(process.machine.random.fraction() * BOOT_MS_MAX);
    this.#isAgentListening = true;
  }
}

/** After a boot it is of no file. */
function memoryOf(
  { machine }: SimProcess,
  start: Start,
  at: (path: string) => string,
): ReturnType<typeof fileInode> {
  if (start.kind === 'boot') return fileInode(NO_FILE, 0, 0);
  const { inode } = lookup(machine, at(start.memoryPath), 'open');
  return defined(inode.kind === 'file' ? inode : null, 'a memory file, which was looked at before');
}

async function writePages(file: FileHandle, ram: GuestRam, pages: readonly number[]): Promise<void> {
  for (let start = 0; start < pages.length; start += BATCH_EXTENTS_MAX) {
    const batch = pages.slice(start, start + BATCH_EXTENTS_MAX);
    const extents = batch.map((page) => ({ offset: page * PAGE_BYTES, length: PAGE_BYTES }));
    await file.writeBatch(extents, concat(batch.map((page) => ram.page(page))));
  }
}

/** Null when there is none. */
async function sizeOf({ files }: Pick<Env, 'files'>, path: string): Promise<number | null> {
  try {
    return (await files.stat(path)).sizeBytes;
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return null;
    throw error;
  }
}
