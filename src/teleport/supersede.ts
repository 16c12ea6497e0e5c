/**
 * The end of a copy whose right is gone: another host has reclaimed the VM, or whoever runs it now took it from there.
 *
 *     paused ─▶ snapshot ─▶ tombstone ─▶ ended
 *        │         └ cannot be taken: held, tried again; the VM stays paused
 *        └ nothing of it runs any more: its disk stays where it is
 *
 * The snapshot is what was done here since the last package, perhaps the only copy of it. Nothing runs it; it is listed, and another VM can
 * be made of it. The table: the tombstone decides. Without it, the snapshot is taken (again); with it, what runs is ended.
 */
import { KelpieError, isKelpieError } from '../base/errors.ts';
import { captureSnapshot } from './capture.ts';
import { newOperation } from './new-operation.ts';
import type { OwnershipRecord } from '../store/ownership-records.ts';
import type { ManagedVm } from './managed-vm.ts';
import type { SupersedeOperation } from './operations.ts';
import type { TeleportHost } from './teleport-host.ts';

const RESCUE_MESSAGE = 'kept when another host took the VM';

/**
 * Called by whoever holds the VM's lock. Nothing is done when the copy has ended already. What cannot be done now is held.
 * @param record of the store `storeUrl`, which gives the VM to another.
 */
export async function supersede(
  host: TeleportHost,
  vm: ManagedVm,
  record: OwnershipRecord,
  storeUrl: string,
): Promise<void> {
  if (vm.record.departed !== null) return;
  await host.leases.release(vm.id);
  // Before the journal: from here on it must not execute, whatever else fails.
  await stopExecuting(host, vm);
  const operation: SupersedeOperation = {
    ...newOperation(host, vm),
    kind: 'supersede',
    snapshotId: host.env.random.uuid(),
    departed: {
      storeUrl,
      packageId: packageOf(record),
      epoch: record.epoch,
      reclaimedBy: record.hostName,
    },
  };
  await host.journal.begin(operation);
  try {
    await settleSupersede(host, vm, operation);
  } catch (error) {
    host.hold(operation, error);
  }
}

/** Idempotent; the journal entry is gone when this resolves. @throws KelpieError when the VM's state could not be kept now. */
export async function settleSupersede(
  host: TeleportHost,
  vm: ManagedVm,
  operation: SupersedeOperation,
): Promise<void> {
  if (vm.record.departed === null) {
    await stopExecuting(host, vm);
    const isKept = await rescue(host, vm, operation.snapshotId);
    await vm.update({
      departed: operation.departed,
      ownership: null,
      ...(isKept ? { snapshotId: operation.snapshotId, disk: [] } : {}),
    });
    host.log.error({ event: 'vm-superseded', vmId: vm.id, isKept, ...operation.departed });
  }
  await vm.kill();
  await vm.markDead('stopped', null);
  await host.leases.drop(vm.id);
  await host.journal.remove(operation);
}

/** Nothing of the VM executes when this resolves. */
async function stopExecuting(host: TeleportHost, vm: ManagedVm): Promise<void> {
  if (await host.leases.isFrozen(vm.id)) {
    // To be asked for its state a frozen process must go on, and then one that was not paused would execute.
    if (vm.record.ownership?.leasePause !== 'paused') {
      await vm.kill();
      await vm.markDead('stopped', null);
    } else await host.leases.thaw(vm.id);
  }
  if (vm.instance === null && vm.record.runtime !== null) await adoptOrBury(vm);
  if (vm.instance !== null && vm.record.state === 'running') await vm.instance.pause();
}

async function adoptOrBury(vm: ManagedVm): Promise<void> {
  try {
    await vm.adopt();
  } catch (error) {
    if (!isKelpieError(error, 'vm_crashed')) throw error;
  }
}

/** False when nothing runs, so that there is no more than the disk. */
async function rescue(host: TeleportHost, vm: ManagedVm, snapshotId: string): Promise<boolean> {
  if (vm.instance === null || vm.record.state !== 'paused') return false;
  await host.snapshots.delete(vm.id, snapshotId);
  try {
    await captureSnapshot(host, vm, {
      snapshotId,
      kind: 'suspend',
      message: RESCUE_MESSAGE,
      resume: false,
      signal: new AbortController().signal,
    });
    return true;
  } catch (error) {
    if (!vm.isLive) return false;
    throw new KelpieError(
      'snapshot_failed',
      `another host has "${vm.name}" now, and what it did here could not be kept yet: it stays paused; free some space, or remove it with \`kelpie rm --force ${vm.name}\`.`,
      { cause: error },
    );
  }
}

/** The package that its new life began with, for people; empty where the record names none. */
function packageOf(record: OwnershipRecord): string {
  return 'packageId' in record ? (record.packageId ?? '') : '';
}
