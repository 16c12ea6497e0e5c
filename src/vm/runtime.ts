/** What is written down of a VM to find it again, and read back. */
import type { GuestIdentity, VmRuntime } from './instance.ts';
import type { LiveVmBase } from './vm-driver.ts';

/** Until a guest has answered, it is nobody. */
export const nobody: GuestIdentity = { bootId: '', generation: 0 };

/** @param details of one backend alone. */
export function runtimeOf(vm: LiveVmBase, details: VmRuntime['details'] = {}): VmRuntime {
  const { bootId, generation } = vm.guest;
  return {
    process: vm.process.identity,
    machine: vm.machine,
    memory: vm.memory,
    disk: vm.disk,
    details: { bootId, generation: String(generation), ...details },
  };
}

export function guestOf({ details }: VmRuntime): GuestIdentity {
  const { bootId, generation } = details;
  return { bootId: bootId ?? nobody.bootId, generation: Number(generation ?? nobody.generation) };
}
