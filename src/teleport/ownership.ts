/**
 * The right to run a VM, as this host changes it in a store's record. The states are drawn in `store/ownership-records.ts`; here are the
 * steps of one host, and what an answer that was lost means.
 */
import { KelpieError, isKelpieError } from '../base/errors.ts';
import { SECOND_MS } from '../base/units.ts';
import type { Env } from '../env/env.ts';
import type { Lease, OwnershipRecord, OwnershipRecords, OwnershipState } from '../store/ownership-records.ts';
import type { TeleportHost } from './teleport-host.ts';

/** How often an unanswered change is tried and read again before its outcome counts as unknown. */
const SWAP_ATTEMPTS_MAX = 3;
const SWAP_RETRY_MS: number = SECOND_MS / 4;

/** Whoever has a clock. */
export interface Timed {
  readonly env: Pick<Env, 'clock'>;
}

/** The VM that a record is about. */
export interface OwnedVm {
  readonly vmId: string;
  readonly vmName: string;
}

/** The record after `previous`, with one more revision. */
export function nextRecord(
  host: Pick<TeleportHost, 'identity'> & Timed,
  vm: OwnedVm,
  previous: OwnershipRecord | null,
  change: { readonly epoch: number; readonly state: OwnershipState },
): OwnershipRecord {
  return {
    ...change.state,
    vmId: vm.vmId,
    vmName: vm.vmName,
    epoch: change.epoch,
    revision: (previous?.revision ?? 0) + 1,
    changedAtUnixMs: Math.round(host.env.clock.wallMs()),
    hostName: host.identity.name,
  };
}

/** A record that gives the VM to somebody. */
export type HeldRecord = Extract<OwnershipRecord, { readonly state: 'running' | 'departing' }>;

export function isHeld(record: OwnershipRecord): record is HeldRecord {
  return record.state === 'running' || record.state === 'departing';
}

/** What the next record of a VM that stays with its owner keeps of this one. */
export function heritageOf(record: OwnershipRecord | null): {
  readonly packageId: string | null;
  readonly lease: Lease | null;
} {
  if (record === null || !isHeld(record)) return { packageId: null, lease: null };
  return { packageId: record.packageId, lease: record.lease };
}

/** True when the record names this host as the one that runs it or is about to hand it over. */
export function isOwnedBy(record: OwnershipRecord, hostId: string): boolean {
  return isHeld(record) && record.owner === hostId;
}

/**
 * Whether this host, which runs the VM, may hand it over to a store with this record.
 * @throws KelpieError `vm_owned_elsewhere` when the record gives the VM to somebody else.
 */
export function checkMayDepart(record: OwnershipRecord | null, hostId: string, vmName: string): void {
  if (record === null || isOwnedBy(record, hostId) || record.state === 'moved') return;
  throw ownedElsewhere(record, vmName);
}

/** Why the VM of this record cannot be claimed. */
export function ownedElsewhere(record: OwnershipRecord, vmName: string): KelpieError {
  const data = { state: record.state, hostName: record.hostName };
  switch (record.state) {
    case 'running':
      return new KelpieError(
        'vm_owned_elsewhere',
        `"${vmName}" runs on ${record.hostName}: teleport it from there first.`,
        { data },
      );
    case 'departing':
      return new KelpieError(
        'vm_owned_elsewhere',
        `"${vmName}" is just leaving ${record.hostName}: try again when it has.`,
        { data },
      );
    case 'at-rest':
      return new KelpieError(
        'vm_owned_elsewhere',
        `"${vmName}" is at rest in this store as package ${record.packageId}.`,
        { data },
      );
    case 'moved':
      return new KelpieError(
        'vm_owned_elsewhere',
        `"${vmName}" went on to ${record.storeUrl}: restore it from there.`,
        { data },
      );
    case 'removed':
      return new KelpieError(
        'vm_owned_elsewhere',
        `"${vmName}" was removed by ${record.hostName}: its packages cannot be run any more.`,
        { data },
      );
    default:
      return record satisfies never;
  }
}

export type SwapOutcome =
  | { readonly isWon: true }
  /** Nothing was written by this call, as far as the record tells: a change that is still under way may yet arrive while its revision fits. */
  | { readonly isWon: false; readonly current: OwnershipRecord | null };

/**
 * Compare-and-swap whose lost answers are resolved by reading: each try writes the same record, so a late duplicate is harmless.
 * @throws KelpieError the store's, when neither writing nor reading was answered: the outcome is unknown.
 */
export async function swap(
  host: Timed,
  records: OwnershipRecords,
  previous: OwnershipRecord | null,
  next: OwnershipRecord,
): Promise<SwapOutcome> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await records.compareAndSwap(previous?.revision ?? 0, next);
      return { isWon: true };
    } catch (error) {
      const current = await readPatiently(host, records, next.vmId);
      if (current !== null && isSame(current, next)) return { isWon: true };
      const isUndone = (current?.revision ?? 0) === (previous?.revision ?? 0);
      if (!isUndone || isKelpieError(error, 'store_conflict')) return { isWon: false, current };
      if (attempt === SWAP_ATTEMPTS_MAX) throw error;
    }
    await host.env.clock.sleep(SWAP_RETRY_MS * attempt);
  }
}

/** The record, with a few tries. */
async function readPatiently(
  host: Timed,
  records: OwnershipRecords,
  vmId: string,
): Promise<OwnershipRecord | null> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await records.read(vmId);
    } catch (error) {
      if (attempt === SWAP_ATTEMPTS_MAX) throw error;
    }
    await host.env.clock.sleep(SWAP_RETRY_MS * attempt);
  }
}

/** Both were written by the same call: no two calls agree in all of these. */
function isSame(a: OwnershipRecord, b: OwnershipRecord): boolean {
  return (
    a.revision === b.revision &&
    a.epoch === b.epoch &&
    a.changedAtUnixMs === b.changedAtUnixMs &&
    sameState(a, b)
  );
}

function sameState(a: OwnershipRecord, b: OwnershipRecord): boolean {
  if (a.state !== b.state || a.hostName !== b.hostName) return false;
  const ownerOf = (record: OwnershipRecord): string | null => ('owner' in record ? record.owner : null);
  const packageOf = (record: OwnershipRecord): string | null =>
    'packageId' in record ? record.packageId : null;
  return ownerOf(a) === ownerOf(b) && packageOf(a) === packageOf(b);
}
