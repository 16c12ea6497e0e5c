import type { DiskLayer, MemoryImage } from '../../snapshot/local-snapshot.ts';
import type { PageMap } from '../../snapshot/page-map.ts';
import type { LiveVmBase, VmContextBase } from '../vm-driver.ts';
import type { VmmProcess } from '../vmm-process.ts';
import type { FirecrackerAbilities } from './abilities.ts';
import type { FirecrackerApi } from './api/client.ts';
import type { JailOptions } from './command-line.ts';
import type { Network } from './network.ts';
import type { ProcessPlaces } from './process-places.ts';

export interface VmContext extends VmContextBase<FirecrackerAbilities> {
  /** What VMs of this host have a card on; looked up when it is needed first. */
  network(): Promise<Network>;
  readonly jail: JailOptions | null;
  /** Where kernels that were unpacked are kept. */
  readonly cacheDirectory: string;
  /** Whether the blobs' file system can keep files of what changed (`memory-file.ts`). */
  tellsHoles(): Promise<boolean>;
}

export interface FirecrackerProcess extends VmmProcess {
  readonly api: FirecrackerApi;
}

/** A VM while its process lives. */
export interface LiveVm extends LiveVmBase {
  readonly process: FirecrackerProcess;
  readonly places: ProcessPlaces;
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
  /** True when it may have gone on after such a pause: its vsock may be deaf, and only a snapshot makes it hear again. */
  isDeaf: boolean;
}
