import type { Env } from '../../env/env.ts';
import type { DiskLayer, MemoryImage } from '../../snapshot/local-snapshot.ts';
import type { MachineFacts, VmConfig } from '../../snapshot/metadata.ts';
import type { PageMap } from '../../snapshot/page-map.ts';
import type { AgentLink } from '../agent-link.ts';
import type { VmPlaces, VmRuntime } from '../instance.ts';
import type { VmmProcess } from '../vmm-process.ts';
import type { FirecrackerAbilities } from './abilities.ts';
import type { FirecrackerApi } from './api/client.ts';
import type { JailOptions } from './command-line.ts';
import type { ProcessPlaces } from './process-places.ts';

/** What stays the same in a VM's life on this host. */
export interface VmContext {
  readonly env: Env;
  readonly id: string;
  readonly config: VmConfig;
  readonly places: VmPlaces;
  readonly bootTimeoutMs: number;
  readonly network: NetworkOptions | null;
  readonly jail: JailOptions | null;
  /** Where kernels that were unpacked are kept. */
  readonly cacheDirectory: string;
  /** What the program can do; looked up when it is needed first. */
  abilities(): Promise<FirecrackerAbilities>;
  /** Whether the blobs' file system can keep files of what changed (`memory-file.ts`). */
  tellsHoles(): Promise<boolean>;
}

/** A TAP device that is made for each VM, and removed with it. */
export interface NetworkOptions {
  /** A bridge of the host that the device joins; null: it stands alone. */
  readonly bridge: string | null;
}

export interface FirecrackerProcess extends VmmProcess {
  readonly api: FirecrackerApi;
}

/** A VM while its process lives. */
export interface LiveVm {
  readonly process: FirecrackerProcess;
  readonly places: ProcessPlaces;
  readonly link: AgentLink;
  readonly machine: MachineFacts;
  /** The file that the process maps, by uuid; null for a VM that booted. */
  readonly mapped: string | null;
  /** The name of its network device on the host. */
  readonly tap: string | null;
  /**
   * What the memory was when Firecracker began to note written pages: at the boot, the load, or the last snapshot. Null when that is
   * not known (a snapshot failed half-way, another daemon took one): the next snapshot is a full one.
   */
  base: PageMap | null;
  /** The files of `base`; null while it is a memory of zeros. */
  memory: MemoryImage | null;
  /** Bottom first; the last one is written to. */
  disk: readonly DiskLayer[];
  /** True while it stands still and no snapshot was taken since it does, which would have reset its vsock. */
  isBarePause: boolean;
  /** As the guest told when it was reached last. */
  guest: GuestIdentity;
}

export interface GuestIdentity {
  readonly bootId: string;
  readonly generation: number;
}

/** What must be written down to find the VM again. */
export function runtimeOf(vm: LiveVm): VmRuntime {
  const { bootId, generation } = vm.guest;
  return {
    process: vm.process.identity,
    machine: vm.machine,
    memory: vm.memory,
    disk: vm.disk,
    details: {
      bootId,
      generation: String(generation),
      ...(vm.tap === null ? {} : { tap: vm.tap }),
      ...(vm.mapped === null ? {} : { mapped: vm.mapped }),
    },
  };
}
