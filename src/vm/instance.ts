/**
 * One virtual machine on one backend. The doc comments are the contract; `test/support/vm-suite.ts` holds every backend to it.
 *
 * An instance serialises its own acts: two at once are refused with `vm_busy`, except `exec` and `agent`, which many may use. Illegal acts for
 * the state are refused with `invalid_state`, those on a VM that crashed with `vm_crashed`, before anything is touched.
 */
import type { ProcessIdentity } from '../env/processes.ts';
import type { GuestAgent } from '../guest/guest-agent.ts';
import type { BackendFacts } from '../snapshot/compatibility/facts.ts';
import type { Architecture, MachineFacts, VmConfig } from '../snapshot/metadata.ts';
import type { DiskLayer, MemoryImage } from '../snapshot/local-snapshot.ts';
import type { VmState } from './state.ts';

/** Everything that finds a VM again after a restart of the daemon; JSON, written by the daemon whenever `onChange` fires. */
export interface VmRuntime {
  readonly process: ProcessIdentity;
  readonly machine: MachineFacts;
  /** The memory that the process maps; null for a VM that booted from zeros. */
  readonly memory: MemoryImage | null;
  /** Bottom first; the last one is written to. */
  readonly disk: readonly DiskLayer[];
  /** Backend-specific, opaque to everybody else. */
  readonly details: Readonly<Record<string, string>>;
}

/** Where an instance finds and puts its files. All exist, private to the host, and are absolute. */
export interface VmPlaces {
  /** Short-lived: sockets, console, logs; emptied after the VM has ended. Short enough for Unix sockets. */
  readonly runDirectory: string;
  /** Immutable memory files and disk layers of this host, named by uuid. */
  readonly blobDirectory: string;
  /** Kernel, initramfs and root file system of the VM's image. */
  readonly image: {
    readonly kernel: string;
    readonly initramfs: string;
    readonly rootfs: string;
    readonly dataTemplate: string;
    readonly kernelArguments: readonly string[];
  };
}

export interface StartProgress {
  readonly phase: 'process' | 'load' | 'boot' | 'guest';
}

export interface StartOptions {
  /** Frozen layers, bottom first; none for a VM that never ran: the image's template is the bottom then. */
  readonly disk: readonly DiskLayer[];
  readonly onProgress?: (progress: StartProgress) => void;
  readonly signal?: AbortSignal;
}

export interface SnapshotRequest {
  /** Exists and is empty; gets `device-state`, `memory.map`. Durable when the call resolves. */
  readonly directory: string;
  /** True: the VM goes on right after the pause. False: it stays paused (teleport, suspend). */
  readonly resume: boolean;
  readonly signal?: AbortSignal;
}

/** What a snapshot left on this host. The disk layer that was written to is frozen; the VM goes on in a new one. */
export interface CapturedSnapshot {
  readonly machine: MachineFacts;
  readonly guest: GuestIdentity;
  readonly deviceStateBytes: number;
  readonly memory: MemoryImage;
  readonly disk: readonly DiskLayer[];
  readonly timings: SnapshotTimings;
}

/** Who a guest is, as it told itself when it was reached last. */
export interface GuestIdentity {
  readonly bootId: string;
  readonly generation: number;
}

/** What nobody else on a network may be called. */
export interface GuestNames {
  readonly hostname: string;
  /** 32 lower-case hexadecimal digits. */
  readonly machineId: string;
}

/** Milliseconds, measured; `pauseMs` is what the guest felt: from `stop` until `cont` was answered. */
export interface SnapshotTimings {
  readonly pauseMs: number;
  readonly deviceStateMs: number;
  readonly scanMs: number;
  readonly copyMs: number;
  readonly syncMs: number;
  readonly dirtyBytes: number;
}

export interface RestoreRequest {
  /** Of the VMM that took it, perhaps an older one; `runtime.machine` is then of the one that goes on, which writes the next state. */
  readonly machine: MachineFacts;
  readonly deviceStatePath: string;
  /** A memory file that can be mapped as it is: `isMappable` of `local-snapshot.ts`. */
  readonly memory: MemoryImage;
  /** Frozen layers, bottom first; the instance puts a new one on top. */
  readonly disk: readonly DiskLayer[];
  /** Larger than the snapshot's; the guest learns it. */
  readonly generation: number;
  /** For a copy of another VM, whose names the guest still has; absent: it keeps its own. */
  readonly names?: GuestNames;
  readonly onProgress?: (progress: StartProgress) => void;
  readonly signal?: AbortSignal;
  /** Runs while the VM is loaded and has not yet executed an instruction: the last chance to refuse (ownership). A rejection ends the VM. */
  readonly beforeResume?: () => Promise<void>;
}

export interface RestoreTimings {
  readonly processMs: number;
  readonly loadMs: number;
  readonly resumeMs: number;
  /** From `cont` until the guest was repaired and may be handed out. */
  readonly repairMs: number;
  readonly clockStepMs: number;
}

export type VmEvent =
  | { readonly kind: 'state'; readonly state: VmState; readonly reason: string | null }
  /** `runtime` has changed and must be written down. */
  | { readonly kind: 'runtime' };

export interface VmInstance {
  readonly id: string;
  readonly config: VmConfig;
  readonly state: VmState;
  /** Null while no process exists. */
  readonly runtime: VmRuntime | null;
  /** Boots from the disk layers (a new top is made), until the guest agent answers. On failure nothing is left behind. */
  start(options: StartOptions): Promise<void>;
  /** Guest agent's power-off, then the backend's own, then kill: each bounded. `force` begins with the last. Nothing is left behind but the disk. */
  stop(options?: { readonly force?: boolean }): Promise<void>;
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** The agent's connection, made again when it was lost. @throws KelpieError `guest_unreachable`. */
  agent(): Promise<GuestAgent>;
  snapshot(request: SnapshotRequest): Promise<CapturedSnapshot>;
  /** Loads in a new process, repairs the guest's identity, and only then resolves with the VM running. On failure nothing is left behind. */
  restore(request: RestoreRequest): Promise<RestoreTimings>;
  /** The last `CONSOLE_BYTES_MAX` of the console. */
  console(): Promise<Uint8Array>;
  /** One listener; called after the fact. */
  onEvent(listener: (event: VmEvent) => void): void;
  /** Lets go of the VM without touching it: it lives on and can be adopted. */
  close(): Promise<void>;
}

/** What of a VM decides which backends can run it. */
export type WantedVm = Pick<VmConfig, 'architecture' | 'portability' | 'publish'>;

export interface VmBackend {
  readonly name: MachineFacts['backend'];
  /** Whether this host can use it and why (not); never throws. Cached for the life of the process. */
  probe(): Promise<BackendProbe>;
  /** Why it runs no VM of this configuration here, although it runs others; null when it does. Absent: it runs all. */
  refusal?(wanted: WantedVm): Promise<string | null>;
  create(id: string, config: VmConfig, places: VmPlaces): Promise<VmInstance>;
  /** A running VM found again. @throws KelpieError `vm_crashed` when it is gone: leftovers are removed. */
  adopt(id: string, config: VmConfig, places: VmPlaces, runtime: VmRuntime): Promise<VmInstance>;
  /** Ends processes of this backend under `runDirectory` that nobody knows, and removes their files. */
  removeOrphan(runDirectory: string): Promise<void>;
}

export interface BackendProbe {
  readonly usable: boolean;
  /** Usable, but only for who asks for it by its name: what it can do was not tried. */
  readonly isByNameOnly?: boolean;
  readonly version: string | null;
  /** One sentence each: what was found, and what to do about what is missing. */
  readonly findings: readonly string[];
  readonly accelerator: MachineFacts['accelerator'];
  readonly architectures: readonly Architecture[];
  /** What it can do for guests of each of `architectures`. */
  readonly guests: readonly BackendFacts[];
}
