/**
 * The machines that fake VMs run on, which outlive the daemon that started them, as QEMU's processes do. This is the truth that oracles look
 * at: which VM runs where.
 */
import assert from 'node:assert/strict';
import { hex } from '../../src/base/bytes.ts';
import type { DiskLayer } from '../../src/snapshot/local-snapshot.ts';
import type { GuestNames } from '../../src/vm/instance.ts';

export interface FakeMachine {
  readonly pid: number;
  readonly vmId: string;
  /** Of the host that it runs on. */
  readonly runDirectory: string;
  /** `loaded`: restored, and not yet let go. */
  state: 'loaded' | 'running' | 'paused';
  generation: number;
  /** What its guest was given when it was restored last; null when it kept its own. */
  readonly names?: GuestNames | null;
  /** Pages that are not zero; page 0 is the counter. */
  readonly pages: Map<number, Uint8Array>;
  disk: readonly DiskLayer[];
}

export class FakeMachines {
  readonly #machines = new Map<number, FakeMachine>();
  readonly #deaths = new Map<number, (() => void)[]>();
  #lastPid = 1_000_000;

  start(machine: Omit<FakeMachine, 'pid'>): FakeMachine {
    this.#lastPid += 1;
    const started = { ...machine, pid: this.#lastPid };
    this.#machines.set(started.pid, started);
    return started;
  }

  find(pid: number): FakeMachine | undefined {
    return this.#machines.get(pid);
  }

  /** As `kill -9`. */
  kill(pid: number): void {
    if (!this.#machines.delete(pid)) return;
    for (const listener of this.#deaths.get(pid) ?? []) listener();
    this.#deaths.delete(pid);
  }

  onDeath(pid: number, listener: () => void): void {
    this.#deaths.set(pid, [...(this.#deaths.get(pid) ?? []), listener]);
  }

  killIn(runDirectory: string): void {
    for (const machine of this.#machines.values())
      if (machine.runDirectory === runDirectory) this.kill(machine.pid);
  }

  ofVm(vmId: string): readonly FakeMachine[] {
    return [...this.#machines.values()].filter((machine) => machine.vmId === vmId);
  }

  /** @throws AssertionError when the VM runs nowhere, or twice. */
  only(vmId: string): FakeMachine {
    const machines = this.ofVm(vmId);
    const [machine] = machines;
    assert.ok(machine !== undefined && machines.length === 1, `${machines.length} machines instead of one`);
    return machine;
  }

  get all(): readonly FakeMachine[] {
    return [...this.#machines.values()];
  }
}

/** What a machine's memory is, to compare. */
export function memoryOf(machine: FakeMachine): string {
  return [...machine.pages]
    .map(([page, bytes]) => `${page}:${hex(bytes.subarray(0, 8))}`)
    .toSorted()
    .join(' ');
}
