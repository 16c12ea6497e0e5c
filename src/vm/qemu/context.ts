import type { Env } from '../../env/env.ts';
import type { MemoryImage, DiskLayer } from '../../snapshot/local-snapshot.ts';
import type { MachineFacts, VmConfig } from '../../snapshot/metadata.ts';
import type { VmPlaces, VmRuntime } from '../instance.ts';
import type { AgentLink } from '../agent-link.ts';
import type { ConsoleLog } from './console-log.ts';
import type { QemuProcess } from './launch.ts';
import type { QemuAbilities } from './machine.ts';

/** What stays the same in a VM's life on this host. */
export interface VmContext {
  readonly env: Env;
  readonly id: string;
  readonly config: VmConfig;
  readonly places: VmPlaces;
  readonly bootTimeoutMs: number;
  /** What the QEMU for this VM's architecture can do; looked up when it is needed first. */
  abilities(): Promise<QemuAbilities>;
}

/** A VM while its process lives. */
export interface LiveVm {
  readonly process: QemuProcess;
  readonly link: AgentLink;
  readonly console: ConsoleLog;
  readonly machine: MachineFacts;
  /** What the process maps; null when it booted from zeros. */
  readonly memory: MemoryImage | null;
  /** The file that the process maps, whichever it is. */
  readonly memoryPath: string;
  /** Bottom first; the last one is written to. It grows with each snapshot. */
  disk: readonly DiskLayer[];
  /** As the guest told when it was reached last. */
  guest: GuestIdentity;
}

export interface GuestIdentity {
  readonly bootId: string;
  readonly generation: number;
}

/** What must be written down to find the VM again. */
export function runtimeOf(vm: LiveVm): VmRuntime {
  return {
    process: vm.process.identity,
    machine: vm.machine,
    memory: vm.memory,
    disk: vm.disk,
    details: { bootId: vm.guest.bootId, generation: String(vm.guest.generation) },
  };
}
