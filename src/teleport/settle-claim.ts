/**
 * What becomes of a restore from a store that was cut. The record's tombstone is lifted as its very last act, so:
 *
 *     the VM's record here         journal says          so
 *     no tombstone, claim's epoch  (any)                 done: it runs here
 *     tombstone                    fetching              forget what was fetched
 *     tombstone                    claiming, claimed     end whatever runs of it here, then put it to rest again in the same package;
 *                                                        no answer: held, asked again later (it runs nowhere meanwhile)
 */
import { KelpieError } from '../base/errors.ts';
import { nextRecord, swap } from './ownership.ts';
import { recordVanished } from './right-to-run.ts';
import type { OwnershipRecord } from '../store/ownership-records.ts';
import type { ClaimOperation } from './operations.ts';
import type { TeleportHost } from './teleport-host.ts';
import type { VmRegistry } from './vm-registry.ts';

const REST_ATTEMPTS_MAX = 5;

/** Idempotent; the journal entry is gone when this resolves. @throws KelpieError when the store must be asked and does not answer. */
export async function settleClaim(
  host: TeleportHost,
  registry: VmRegistry,
  operation: ClaimOperation,
): Promise<void> {
  const vm = registry.byId(operation.vmId);
  const isDone =
    vm !== undefined && vm.record.departed === null && vm.record.ownership?.epoch === operation.claimEpoch;
  // Known here, and perhaps not yet on the disk: with the entry gone, the tombstone there would end the only copy.
  if (isDone) await vm.save();
  else {
    if (vm !== undefined) {
      await vm.kill();
      await vm.markDead('stopped', null);
    }
    await host.leases.drop(operation.vmId);
    if (operation.step !== 'fetching') await putToRest(host, operation);
    await forget(host, registry, operation);
  }
  await host.journal.remove(operation);
}

/** Asks the store until its answer cannot change any more: nobody runs it in our name, and no claim of ours can still arrive. */
async function putToRest(host: TeleportHost, operation: ClaimOperation): Promise<void> {
  const { ownership } = await host.openStore(operation.storeUrl);
  for (let attempt = 0; attempt < REST_ATTEMPTS_MAX; attempt += 1) {
    const record = await ownership.read(operation.vmId);
    if (record === null) throw recordVanished(operation.vmName, operation.storeUrl);
    if (!isAffected(record, host.identity.id, operation)) return;
    const next = nextRecord(host, operation, record, {
      epoch: record.state === 'running' ? operation.claimEpoch + 1 : record.epoch,
      state: { state: 'at-rest', packageId: operation.packageId, reclaimedFrom: null },
    });
    if ((await swap(host, ownership, record, next)).isWon) return;
  }
  throw new KelpieError('store_conflict', `the store's record of "${operation.vmName}" keeps changing.`);
}

/** Claimed by us, or still at rest as we found it, where a late claim of ours would fit. */
function isAffected(record: OwnershipRecord, hostId: string, operation: ClaimOperation): boolean {
  if (record.state === 'running') return record.owner === hostId && record.epoch === operation.claimEpoch;
  return (
    record.state === 'at-rest' &&
    record.packageId === operation.packageId &&
    record.epoch === operation.claimEpoch - 1
  );
}

/** This host is as it was before. */
async function forget(host: TeleportHost, registry: VmRegistry, operation: ClaimOperation): Promise<void> {
  // Also when it is not known any more: its removal may have failed at the end.
  if (operation.before === null) return registry.remove(operation.vmId);
  const vm = registry.byId(operation.vmId);
  if (vm === undefined) return;
  await host.snapshots.delete(vm.id, operation.snapshotId);
  await vm.update(operation.before);
}
