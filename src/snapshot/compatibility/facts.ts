/** What decides whether a snapshot runs on a host: facts that both sides state. Null is "not known", and is never read as yes. */
import type { Architecture, ImageReference, MachineFacts, Portability, SnapshotKind } from '../metadata.ts';

export type BackendName = MachineFacts['backend'];
export type Accelerator = Exclude<MachineFacts['accelerator'], 'none'>;

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
  readonly cpu: CpuFacts | null;
}

/** What one backend of a host can do with guests of one architecture. */
export interface BackendFacts {
  readonly name: BackendName;
  readonly architecture: Architecture;
  /** `7.2.22 (Debian …)`; null when the program did not tell. */
  readonly version: string | null;
  /** Those with which a guest really ran. */
  readonly accelerators: readonly Accelerator[];
  readonly machineTypes: readonly string[] | null;
  /** CPU models that guests can be given, for each accelerator; `host` is one where processors are passed through. */
  readonly cpuModels: Readonly<Partial<Record<Accelerator, readonly string[]>>> | null;
  /** Layouts of devices that this version of Kelpie can rebuild on it. */
  readonly deviceLayouts: readonly number[];
}

export interface HostFacts {
  readonly architecture: Architecture;
  readonly kernel: string;
  readonly cpu: CpuFacts | null;
  readonly backends: readonly BackendFacts[];
  /** Images that are installed. */
  readonly images: readonly ImageReference[];
}

/** The part of a snapshot's metadata that the check reads. */
export interface SnapshotFacts {
  readonly kind: SnapshotKind;
  readonly portability: Portability;
  readonly architecture: Architecture;
  readonly vcpuCount: number;
  readonly image: ImageReference;
  /** True when the package brings the files of its image. */
  readonly carriesImage: boolean;
  readonly machine: MachineFacts;
  /** Null in snapshots that do not say. */
  readonly source: SourceHostFacts | null;
}
