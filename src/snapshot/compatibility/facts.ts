/** What decides whether a snapshot runs on a host: facts that both sides state. Null is "not known", and is never read as yes. */
import type {
  Architecture,
  CpuFacts,
  ImageReference,
  MachineFacts,
  Portability,
  SnapshotKind,
  SnapshotMetadata,
  SourceHostFacts,
} from '../metadata.ts';

export type BackendName = MachineFacts['backend'];
export type Accelerator = Exclude<MachineFacts['accelerator'], 'none'>;

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

/** An image that is installed. */
export interface HostImage extends ImageReference {
  readonly architecture: Architecture;
}

/** What is left out of it is not known, and so never a yes. */
export interface HostFacts {
  readonly architecture: Architecture;
  readonly kernel: string;
  readonly cpu: CpuFacts | null;
  readonly backends: readonly BackendFacts[];
  /** Digests of the images that are installed, whole or damaged: whoever uses one reads what it is. */
  readonly imageDigests: ReadonlySet<string>;
  /** Those that are whole. */
  readonly images: readonly HostImage[];
}

/** The part of a snapshot's metadata that the check reads. */
export interface SnapshotFacts {
  readonly kind: SnapshotKind;
  readonly portability: Portability;
  readonly architecture: Architecture;
  readonly image: ImageReference;
  /** True when the package brings the files of its image. */
  readonly carriesImage: boolean;
  readonly machine: MachineFacts;
  readonly source: SourceHostFacts;
}

export function snapshotFacts(metadata: SnapshotMetadata, carriesImage: boolean): SnapshotFacts {
  const { kind, machine, source } = metadata;
  const { portability, architecture, image } = metadata.config;
  return { kind, portability, architecture, image, carriesImage, machine, source };
}
