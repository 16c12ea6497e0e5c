/**
 * What a snapshot says about itself, without its bytes. It travels in packages, so it is untrusted when read:
 * `parseSnapshotMetadata` (`metadata-codec.ts`) is the only way in.
 */

export const architectures = ['x86_64', 'arm64'] as const;
export type Architecture = (typeof architectures)[number];

/** `suspend`: same host, disks in place. `teleport`: a complete VM. `checkpoint`: the application's state only. */
export const snapshotKinds = ['suspend', 'teleport', 'checkpoint'] as const;
export type SnapshotKind = (typeof snapshotKinds)[number];

/** Where the VM can go: the same CPU model, any host of the architecture, or any host. Chosen at creation. */
export const portabilities = ['host', 'arch', 'any'] as const;
export type Portability = (typeof portabilities)[number];

export interface ImageReference {
  readonly name: string;
  /** MAJOR.MINOR.PATCH */
  readonly version: string;
  /** SHA-256 of the image's canonical description; names its exact bytes. */
  readonly digest: string;
}

export interface PortForward {
  readonly hostPort: number;
  readonly guestPort: number;
}

/** What the user asked for; never changes in a VM's life but for `name` and `publish`. */
export interface VmConfig {
  readonly name: string;
  readonly architecture: Architecture;
  readonly vcpuCount: number;
  readonly memoryMib: number;
  readonly diskMib: number;
  readonly image: ImageReference;
  readonly portability: Portability;
  readonly publish: readonly PortForward[];
}

export const backendNames = ['qemu', 'firecracker', 'vz', 'sim'] as const;
export const accelerators = ['tcg', 'kvm', 'hvf', 'none'] as const;

/** What ran the VM, as exact as restoring needs it. */
export interface MachineFacts {
  readonly backend: (typeof backendNames)[number];
  /** The VMM's own words: `7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)`. */
  readonly backendVersion: string;
  /** Always a versioned one: `pc-q35-7.2`, `virt-7.2`. */
  readonly machineType: string;
  /** Always a named one, with its version where there is one: `Nehalem-v1`. */
  readonly cpuModel: string;
  readonly accelerator: (typeof accelerators)[number];
  /** Which devices the VM has and in which order; a restore uses the same layout. */
  readonly deviceLayout: number;
}

/** A processor as its system tells it. On x86_64 numbers are CPUID's; on arm64 implementer, part and variant take their places. */
export interface CpuFacts {
  readonly vendor: string;
  readonly family: number;
  readonly model: number;
  readonly modelName: string;
  /** As in `/proc/cpuinfo`: what programs may use. Sorted. */
  readonly flags: readonly string[];
}

/** Where a snapshot was taken. */
export interface SourceHostFacts {
  readonly architecture: Architecture;
  /** Name and release: `Linux 6.1.0-18-amd64`. */
  readonly kernel: string;
  /** Null: not known, or cores of several kinds. */
  readonly cpu: CpuFacts | null;
}

export interface SnapshotMetadata {
  readonly formatVersion: 1;
  readonly snapshotId: string;
  readonly vmId: string;
  /** The snapshot that this VM was started from or took last; null for the first of a VM. */
  readonly parentId: string | null;
  readonly kind: SnapshotKind;
  readonly message: string;
  readonly createdAtUnixMs: number;
  readonly config: VmConfig;
  readonly machine: MachineFacts;
  readonly source: SourceHostFacts;
  /** `bootId` is of the guest agent's greeting: 32 hexadecimal digits. */
  readonly guest: { readonly bootId: string; readonly generation: number };
}

/** The format that this program writes; it reads this and older ones. */
export const SNAPSHOT_FORMAT_VERSION = 1;
