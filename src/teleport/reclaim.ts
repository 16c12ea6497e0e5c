/**
 * A VM whose host is gone is put to rest in its last package, for any host to restore:
 *
 *     find ─▶ check the package ─▶ no lease: only with force ───────────────────────┐
 *                              └─▶ lease: the revision stands for a whole lease ──▶ CAS to at rest, epoch + 1
 *                                      └─ it changes: the host lives, refused
 *
 * One compare-and-swap in the store and nothing on this host, so there is nothing to settle. The old host finds out before it lets the VM execute
 * again (`leases.ts`), and keeps what it has as a snapshot (`supersede.ts`). Progress phases: `check`, `observe`, `reclaim`.
 */
import { KelpieError } from '../base/errors.ts';
import { formatDurationMs } from '../base/units.ts';
import { findRecord } from './find-record.ts';
import { leaseTimes } from './lease-times.ts';
import { isHeld, nextRecord, ownedElsewhere, swap } from './ownership.ts';
import type { HeldRecord, Timed } from './ownership.ts';
import type { OwnershipRecord } from '../store/ownership-records.ts';
import type { SearchedStore } from './find-record.ts';
import type { OperationOptions } from './source.ts';
import type { TeleportHost } from './teleport-host.ts';
import type { VmRecord } from './vm-record.ts';

/** How often the record is read while nothing is to happen to it, so that a host that lives is noticed early. */
const OBSERVE_POLL_MS = 5000;

/** What of a store a reclaim needs. */
interface ReclaimStore extends SearchedStore {
  readonly storage: {
    readonly url: string;
    download(
      packageId: string,
    ): Promise<{ readonly package: { readonly metadata: { readonly vmId: string } } }>;
  };
}

export interface ReclaimHost extends Pick<TeleportHost, 'identity' | 'log'>, Timed {
  openStore(url: string): Promise<ReclaimStore>;
}

/** What this host has of VMs. */
interface LocalVms {
  byId(vmId: string): { readonly record: Pick<VmRecord, 'departed'> } | undefined;
}

export interface ReclaimRequest {
  readonly storeUrl: string;
  /** Name or id. */
  readonly vm: string;
  /** A person's word that the host which has it is gone for good, or may be overruled. */
  readonly force: boolean;
}

export interface ReclaimResult {
  readonly vmId: string;
  readonly vmName: string;
  readonly storeUrl: string;
  /** What the VM goes back to: all that its host did since then is only there. */
  readonly packageId: string;
  readonly epoch: number;
  /** The name of the host that had it. */
  readonly reclaimedFrom: string;
}

/** @throws KelpieError `vm_owned_elsewhere` when its host lives or has no lease, `package_not_found`, `package_corrupt`, `invalid_state`, `vm_not_found` … */
export async function reclaim(
  host: ReclaimHost,
  registry: LocalVms,
  { storeUrl, vm, force }: ReclaimRequest,
  options: OperationOptions,
): Promise<ReclaimResult> {
  options.listener.progress('check');
  const store = await host.openStore(storeUrl);
  const record = heldRecord(await findRecord(store, vm, ['running', 'departing']), storeUrl);
  // From here on: the answer is older than that.
  const seenMs = host.env.clock.monotonicMs();
  checkNotHere(record, host.identity.id, registry);
  const packageId = await lastPackage(store, record);
  if (!force) await observe(host, store, record, seenMs, options);
  options.listener.progress('reclaim');
  const next = nextRecord(host, { vmId: record.vmId, vmName: record.vmName }, record, {
    epoch: record.epoch + 1,
    state: { state: 'at-rest', packageId, reclaimedFrom: record.hostName },
  });
  const outcome = await swap(host, store.ownership, record, next);
  if (!outcome.isWon) throw lives(record, outcome.current);
  host.log.info({ event: 'vm-reclaimed', vmId: record.vmId, storeUrl, force, from: record.owner, packageId });
  const { vmId, vmName, hostName } = record;
  return { vmId, vmName, storeUrl, packageId, epoch: next.epoch, reclaimedFrom: hostName };
}

function heldRecord(record: OwnershipRecord, storeUrl: string): HeldRecord {
  if (isHeld(record)) return record;
  if (record.state !== 'at-rest') throw ownedElsewhere(record, record.vmName);
  throw new KelpieError(
    'invalid_state',
    `"${record.vmName}" is at rest already: \`kelpie restore ${record.vmName} --from ${storeUrl}\` brings it here.`,
  );
}

function checkNotHere({ vmId, vmName, owner }: HeldRecord, hostId: string, registry: LocalVms): void {
  const local = registry.byId(vmId);
  if (owner !== hostId || local === undefined || local.record.departed !== null) return;
  throw new KelpieError(
    'invalid_state',
    `"${vmName}" is on this host, which may run it: start it, teleport it or remove it here.`,
  );
}

/** @throws KelpieError when there is nothing that the VM could be restored from. */
async function lastPackage(store: ReclaimStore, { packageId, vmId, vmName }: HeldRecord): Promise<string> {
  if (packageId === null) {
    throw new KelpieError(
      'package_not_found',
      `the store does not say which package "${vmName}" could go back to: what there is of it is on its host only.`,
    );
  }
  const { metadata } = (await store.storage.download(packageId)).package;
  if (metadata.vmId === vmId) return packageId;
  const message = `the store's record of "${vmName}" names a package of another VM.`;
  throw new KelpieError('package_corrupt', message);
}

/** Resolves when the lease has run out, by this host's own steady clock. @throws KelpieError when it was renewed, or there is none. */
async function observe(
  host: ReclaimHost,
  store: ReclaimStore,
  record: HeldRecord,
  seenMs: number,
  { listener, signal }: OperationOptions,
): Promise<void> {
  if (record.lease === null) {
    throw new KelpieError(
      'vm_owned_elsewhere',
      `"${record.vmName}" belongs to ${record.hostName} without a lease: only a person can know that it is gone for good; then add --force.`,
      { data: { hostName: record.hostName } },
    );
  }
  const { clock } = host.env;
  const { observeMs } = leaseTimes(record.lease.durationMs);
  listener.notice(
    `waiting ${formatDurationMs(observeMs)} to see that ${record.hostName} does not renew its lease`,
  );
  const endMs = seenMs + observeMs;
  while (clock.monotonicMs() < endMs) {
    listener.progress('observe');
    await clock.sleep(Math.min(OBSERVE_POLL_MS, endMs - clock.monotonicMs()), signal);
    const current = await store.ownership.read(record.vmId);
    if (current?.revision !== record.revision) throw lives(record, current);
  }
}

function lives(record: HeldRecord, current: OwnershipRecord | null): KelpieError {
  const isSame = current !== null && 'owner' in current && current.owner === record.owner;
  if (current !== null && !isSame) return ownedElsewhere(current, record.vmName);
  return new KelpieError(
    'vm_owned_elsewhere',
    `${record.hostName} lives and renews its right to "${record.vmName}": teleport it from there.`,
    { data: { hostName: record.hostName } },
  );
}
