import type { ManagedVm } from './managed-vm.ts';
import type { TeleportHost } from './teleport-host.ts';

/** What every journal entry about a VM begins with. */
export function newOperation(
  host: Pick<TeleportHost, 'env'>,
  vm: Pick<ManagedVm, 'id' | 'name'>,
): { readonly id: string; readonly vmId: string; readonly vmName: string; readonly startedAtUnixMs: number } {
  return {
    id: host.env.random.uuid(),
    vmId: vm.id,
    vmName: vm.name,
    startedAtUnixMs: Math.round(host.env.clock.wallMs()),
  };
}
