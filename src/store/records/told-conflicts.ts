/** What keeps a record from being changed or read, in the same words for every kind of store. */
import { KelpieError } from '../../base/errors.ts';
import { OWNERSHIP_RECORDS_LISTED_MAX } from '../limits.ts';
import type { OwnershipRecord } from '../ownership-records.ts';

/** The record has another revision: nothing was written. */
export function recordConflict({ vmName }: OwnershipRecord, cause?: unknown): KelpieError {
  const message = `the record of who may run "${vmName}" was changed by another host: look at it again.`;
  return new KelpieError('store_conflict', message, { cause });
}

/** Others changed the record at the same time, and whether ours was written in between is not known. */
export function recordOvertaken({ vmName }: OwnershipRecord, cause?: unknown): KelpieError {
  const message = `others changed the record of who may run "${vmName}" at the same time: read it again.`;
  return new KelpieError('store_unavailable', message, { cause });
}

export function tooManyRecords(storeUrl: string): KelpieError {
  const message = `the store ${storeUrl} has records of more than ${OWNERSHIP_RECORDS_LISTED_MAX} VMs: name the VM by its id.`;
  return new KelpieError('limit_exceeded', message);
}
