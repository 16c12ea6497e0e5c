/** What a store's record says about the right of this host to run a VM. */
import { KelpieError } from '../base/errors.ts';
import { isHeld } from './ownership.ts';
import type { OwnershipRecord } from '../store/ownership-records.ts';
import type { HeldRecord } from './ownership.ts';
import type { HeldRight } from './vm-record.ts';

/** The record when it gives the VM to this host by the right that it took with `epoch`; else null: the right is gone for good, since epochs only grow. */
export function ownRecord(record: OwnershipRecord, hostId: string, epoch: number): HeldRecord | null {
  return isHeld(record) && record.owner === hostId && record.epoch === epoch ? record : null;
}

/** A VM that came from a store has a record there for ever: without it, this is another store, or a disk that is not mounted. */
export function recordVanished(vmName: string, storeUrl: string): KelpieError {
  const message = `the store ${storeUrl} has no record of "${vmName}" any more: make sure that it is the right one and mounted.`;
  return new KelpieError('store_unavailable', message);
}

/**
 * A VM with a lease leaves through the store of its lease only. Elsewhere two records would name it, and should this host be gone between the commit in one and the word to
 * the other, the lease there would run out, and the VM be taken twice.
 * @throws KelpieError `invalid_state`.
 */
export function checkLeaseStays(right: HeldRight | null, storeUrl: string, vmName: string): void {
  if (right === null || right.leaseMs === null || right.storeUrl === storeUrl) return;
  throw new KelpieError(
    'invalid_state',
    `"${vmName}" is held by a lease in ${right.storeUrl}: teleport it there, and restore it without --lease to bring it to another store.`,
    { data: { storeUrl: right.storeUrl } },
  );
}
