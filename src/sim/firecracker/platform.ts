/** What stands behind Firecracker's rules: the files of a host, and whatever runs its guest. Paths are those that a client names. */
import type { Bytes } from '../../base/bytes.ts';
import type { MachineConfig } from './machine-config.ts';
import type { Devices } from './resources.ts';
import type { Version } from './version.ts';

/** What may be asked of files and devices before anything is made. Each throws an error of the system. */
export interface Paths {
  assertMayOpen(path: string, mode: 'r' | 'rw'): void;
  sizeOf(path: string): number;
}

/** The machine as it was configured. */
export interface Configured {
  readonly machine: MachineConfig;
  readonly devices: Devices;
  /** Null: standard output. */
  readonly serialPath: string | null;
}

export type Start =
  | {
      readonly kind: 'boot';
      readonly kernel: string;
      readonly initrd: string | null;
      readonly bootArguments: string | null;
    }
  | { readonly kind: 'load'; readonly memoryPath: string };

export type SnapshotKind = 'Full' | 'Diff';

/** A machine that was started, and stands still. */
export interface RunningMachine {
  /** Whether the guest's agent has its port open. */
  readonly isAgentListening: boolean;
  pause(): Promise<void>;
  resume(): Promise<void>;
  sendCtrlAltDel(): Promise<void>;
  /** Every device's state, without memory. @param besides a path beside which a file may stand for a moment. */
  deviceState(besides: string): Promise<Bytes>;
  /** What `deviceState` gave, out of a state file. @throws Error when it does not fit. */
  loadDeviceState(path: string, offset: number): Promise<void>;
  /** All of the memory, or what was written; synced. @throws an error of the system. */
  saveMemory(path: string, kind: SnapshotKind): Promise<void>;
}

/** The host's side of the guest's vsock. */
export interface VsockDevice<Machine extends RunningMachine> {
  pause(): void;
  /** @param isDeaf nothing of the host reaches the guest any more: the defect of 1.16.0 and 1.16.1. */
  resume(machine: Machine, isDeaf: boolean): void;
  /** What is open ends, as with a snapshot; who listens in the guest goes on listening. */
  reset(): void;
  /** Stops listening, which removes the file. */
  close(): Promise<void>;
}

export interface Platform<Machine extends RunningMachine> extends Paths {
  /** Which Firecracker it is. */
  readonly version: Version;
  /** @throws Fault when there is no such network device, nor may one be made. */
  assertTap(name: string, failure: string): void;
  /** A kernel that boots. @throws Fault when it is none. */
  bootableKernel(path: string): string;
  /** A file that is as small as a state file. @throws an error of the system. */
  readFile(path: string): Promise<Bytes>;
  /** Written whole, and synced. @throws an error of the system. */
  writeFile(path: string, bytes: Bytes): Promise<void>;
  /** @throws an error of the system: `EADDRINUSE` when there is a file at the path … */
  listenVsock(path: string): Promise<VsockDevice<Machine>>;
  /** @throws an error of the system, or one of whatever runs guests. */
  launch(configured: Configured, start: Start, isAgentListening: boolean): Promise<Machine>;
}
