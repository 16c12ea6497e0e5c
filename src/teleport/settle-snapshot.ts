/** What becomes of a snapshot that an operation took on its way and that nobody asked for in the end. */
import { isKelpieError } from '../base/errors.ts';
import type { ManagedVm } from './managed-vm.ts';
import type { TeleportHost } from './teleport-host.ts';

/**
 * Removes it while the VM lives: it goes on from where it is. When the VM died meanwhile and the snapshot is whole, the snapshot is the
 * last that there is of it, so it is kept and becomes what a restore goes back to. Half a snapshot is always removed.
 */
export async function keepOrRemoveSnapshot(
  host: TeleportHost,
  vm: ManagedVm,
  snapshotId: string,
): Promise<void> {
  const isWhole = await isComplete(host, vm.id, snapshotId);
  if (isWhole && !vm.isLive) {
    await vm.update({ snapshotId });
    return;
  }
  await host.snapshots.delete(vm.id, snapshotId);
}

async function isComplete(host: TeleportHost, vmId: string, snapshotId: string): Promise<boolean> {
  try {
    await host.snapshots.read(vmId, snapshotId);
    return true;
  } catch (error) {
    if (isKelpieError(error, 'snapshot_not_found', 'snapshot_corrupt')) return false;
    throw error;
  }
}
