import type { DiskLayer, MemoryImage } from '../../snapshot/local-snapshot.ts';
import type { LiveVmBase, VmContextBase } from '../vm-driver.ts';
import type { ConsoleLog } from './console-log.ts';
import type { QemuProcess } from './launch.ts';
import type { QemuAbilities } from './machine.ts';

export type VmContext = VmContextBase<QemuAbilities>;

/** A VM while its process lives. */
export interface LiveVm extends LiveVmBase {
  readonly process: QemuProcess;
  readonly console: ConsoleLog;
  /** What the process maps; null when it booted from zeros. */
  readonly memory: MemoryImage | null;
  /** The file that the process maps, whichever it is. */
  readonly memoryPath: string;
  /** Bottom first; the last one is written to. It grows with each snapshot. */
  disk: readonly DiskLayer[];
}
