/** What a store's record says about the right of this host to run a VM. */
import { KelpieError } from '../base/errors.ts';
import type { OwnershipRecord } from '../store/ownership-records.ts';

/** The record, as far as it gives the VM to somebody. */
export type OwnRecord = Extract<OwnershipRecord, { readonly state: 'running' | 'departing' }>;

/** The record when it gives the VM to this host by the right that it took with `epoch`; else null: the right is gone for good, since epochs only grow. */
export function ownRecord(record: OwnershipRecord, hostId: string, epoch: number): OwnRecord | null {
  if (record.state !== 'running' && record.state !== 'departing') return null;
  return record.owner === hostId && record.epoch === epoch ? record : null;
}

/** A VM that came from a store has a record there for ever: without it, this is another store, or a disk that is not mounted. */
export function recordVanished(vmName: string, storeUrl: string): KelpieError {
  const message = `the store ${storeUrl} has no record of "${vmName}" any more: make sure that it is the right one and mounted.`;
  return new KelpieError('store_unavailable', message);
}
