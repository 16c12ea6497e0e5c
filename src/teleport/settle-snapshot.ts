/** What becomes of a snapshot that an operation took on its way and that nobody asked for in the end. */
import { isKelpieError } from '../base/errors.ts';
import { setAsideOrRemove } from './set-aside.ts';
import type { LocalSnapshot } from '../snapshot/local-snapshots.ts';
import type { ManagedVm } from './managed-vm.ts';
import type { TeleportHost } from './teleport-host.ts';

/**
 * Removes it while the VM lives, which goes on from where it is, unless a store has some of it (`set-aside.ts`). When the VM died meanwhile and the snapshot is whole, the snapshot is the
 * last that there is of it, so it is kept and becomes what a restore goes back to. Half a snapshot is always removed.
 */
export async function keepOrRemoveSnapshot(
  host: TeleportHost,
  vm: ManagedVm,
  snapshotId: string,
): Promise<void> {
  const whole = await findWhole(host, vm.id, snapshotId);
  if (whole === null) await host.snapshots.delete(vm.id, snapshotId);
  else if (vm.isLive) await setAsideOrRemove(host, whole);
  else await vm.update({ snapshotId });
}

async function findWhole(
  host: TeleportHost,
  vmId: string,
  snapshotId: string,
): Promise<LocalSnapshot | null> {
  try {
    return await host.snapshots.read(vmId, snapshotId);
  } catch (error) {
    if (isKelpieError(error, 'snapshot_not_found', 'snapshot_corrupt')) return null;
    throw error;
  }
}
