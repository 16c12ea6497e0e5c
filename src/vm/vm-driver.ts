/**
 * What `DrivenInstance` asks of a backend for one VM. It sees to what all acts have in common: a driver's acts are called one at a
 * time, in states where they are legal, and need not look at either.
 */
import type { Bytes } from '../base/bytes.ts';
import type { Env } from '../env/env.ts';
import type { DiskLayer, MemoryImage } from '../snapshot/local-snapshot.ts';
import type { MachineFacts, VmConfig } from '../snapshot/metadata.ts';
import type { AgentLink } from './agent-link.ts';
import type {
  CapturedSnapshot,
  GuestIdentity,
  RestoreRequest,
  RestoreTimings,
  SnapshotRequest,
  StartOptions,
  VmPlaces,
  VmRuntime,
} from './instance.ts';
import type { VmmProcess } from './vmm-process.ts';
import type { VmState } from './state.ts';

/** What stays the same in a VM's life on this host. */
export interface VmContextBase<Abilities> {
  readonly env: Env;
  readonly id: string;
  readonly config: VmConfig;
  readonly places: VmPlaces;
  readonly bootTimeoutMs: number;
  /** What the VMM for this VM can do; looked up when it is needed first. */
  abilities(): Promise<Abilities>;
}

/** A VM while its process lives, as far as everybody sees it. */
export interface LiveVmBase {
  readonly process: VmmProcess;
  readonly link: AgentLink;
  readonly machine: MachineFacts;
  /** Null for a memory of zeros. */
  readonly memory: MemoryImage | null;
  /** Bottom first; the last one is written to. */
  readonly disk: readonly DiskLayer[];
  guest: GuestIdentity;
}

/** Why a VM is over without having been asked to. */
export type VmEnd =
  /** The VMM has ended; `isOrderly` when the guest had turned itself off. */
  | { readonly kind: 'process'; readonly isOrderly: boolean }
  /** The guest is off, the VMM waits for us: `guest-shutdown`, `guest-reset`, `guest-panic` … */
  | { readonly kind: 'guest'; readonly reason: string };

export type StopFrom =
  /** Ask the guest, then the VMM, then kill. */
  | 'guest'
  /** Ask the VMM, then kill: for a paused VM, which must not execute another instruction, and one that has turned itself off. */
  | 'vmm'
  /** Kill. */
  | 'kill';

export interface CaptureRequest extends SnapshotRequest {
  /** Whether the VM runs now: a paused one stays paused. */
  readonly isRunning: boolean;
  /** Called once what `runtimeOf` tells has changed: it must be written down. */
  readonly onDiskSwitched: () => void;
}

export interface LoadedVm<Live> {
  readonly vm: Live;
  readonly timings: RestoreTimings;
}

export interface AdoptedVm<Live> {
  readonly vm: Live;
  readonly state: Extract<VmState, 'running' | 'paused'>;
}

export interface VmDriver<Live extends LiveVmBase> {
  /** The VMM's name, for sentences. */
  readonly vmmName: string;
  /** A snapshot ends every connection to the guest: who asks for the agent meanwhile waits for the next one. */
  readonly snapshotEndsConnections: boolean;
  /** Leaves nothing behind when it fails. */
  boot(options: StartOptions): Promise<Live>;
  /** Leaves nothing behind when it fails. */
  load(request: RestoreRequest): Promise<LoadedVm<Live>>;
  /** When it fails, the VM is as before, or stands still; nothing of the snapshot is left. */
  capture(vm: Live, request: CaptureRequest): Promise<CapturedSnapshot>;
  stopCpus(vm: Live): Promise<void>;
  continueCpus(vm: Live): Promise<void>;
  /** Whether the VM stands still. */
  isPaused(vm: Live): Promise<boolean>;
  /**
   * Called when the agent of a VM that runs cannot be reached, and no other act is under way: repairs what the VMM itself may have broken of the way there.
   * @returns false when there was nothing to repair, or it could not be. When it fails, the VM runs on, or stands still.
   */
  mendWay(vm: Live): Promise<boolean>;
  /** Ends the process, one step after the other, each bounded. @throws KelpieError `vm_backend_failed` when even the last one fails. */
  end(vm: Live, from: StopFrom): Promise<void>;
  /**
   * Watches the VM until the returned function is called. @param onEnd called at most once. @param isToRun whether the VM is to execute and no act is under way:
   * a driver that lets a VM go on by itself asks this in the turn in which it does.
   */
  supervise(vm: Live, onEnd: (end: VmEnd) => void, isToRun: () => boolean): () => void;
  runtimeOf(vm: Live): VmRuntime;
  console(vm: Live): Promise<Bytes>;
  /** The console of a VM whose process has ended. */
  keptConsole(vm: Live): Promise<Bytes>;
  /** The end of the VMM's own messages. */
  lastWords(): Promise<string>;
  /** Closes our connections to the VM, and touches nothing else. */
  release(vm: Live): void;
  /** Removes what a process that has ended leaves behind. */
  clear(): Promise<void>;
}
