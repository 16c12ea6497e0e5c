/**
 * What becomes of a file that was made a package, by hand or by a crash:
 *
 *     the package   the VM's record   so
 *     there         none              the record is put: the VM is at rest in it
 *     there         any               it was done
 *     not there     none              it never was: nobody knows its id
 */
import { isKelpieError } from '../base/errors.ts';
import { nextRecord, swap } from './ownership.ts';
import type { DepositOperation } from './operations.ts';
import type { TeleportHost } from './teleport-host.ts';

/** Of the first record of a VM. */
export const DEPOSIT_EPOCH = 1;

/** Idempotent; the journal entry is gone when this resolves. @returns whether there is the package. @throws KelpieError when the store must be asked and does not answer. */
export async function settleDeposit(
  host: Pick<TeleportHost, 'env' | 'identity' | 'journal' | 'openStore'>,
  operation: DepositOperation,
): Promise<boolean> {
  const { storeUrl, packageId, vmId } = operation;
  const { storage, ownership } = await host.openStore(storeUrl);
  let isThere = true;
  try {
    await storage.download(packageId);
    const record = await ownership.read(vmId);
    const state = { state: 'at-rest', packageId, reclaimedFrom: null } as const;
    // Nobody else writes the first record of this VM: one that is there is ours, or followed it.
    if (record === null)
      await swap(host, ownership, null, nextRecord(host, operation, null, { epoch: DEPOSIT_EPOCH, state }));
  } catch (error) {
    if (!isKelpieError(error, 'package_not_found')) throw error;
    isThere = false;
  }
  await host.journal.remove(operation);
  return isThere;
}
