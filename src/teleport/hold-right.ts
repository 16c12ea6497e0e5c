/**
 * A VM that a store knows from its beginning: this host runs it, by a lease.
 *
 *     vm.json says so ──▶ record: running(this host, epoch 1) ──▶ renewed, fuse lit ──▶ the VM may execute
 *           └──────────────────────┴───────── any failure: there never was a VM, and the record says removed
 *
 * Nothing of it is in the store before its first teleport, so a reclaim has nothing to go back to until then; what the lease does is that this host stops the VM when
 * it cannot renew.
 */
import { KelpieError } from '../base/errors.ts';
import { nextRecord, swap } from './ownership.ts';
import type { ManagedVm } from './managed-vm.ts';
import type { TeleportHost } from './teleport-host.ts';

const FIRST_EPOCH = 1;

export interface WantedLease {
  readonly storeUrl: string;
  readonly durationMs: number;
}

/** Called before anything of the VM runs. @throws KelpieError `store_unavailable`, `store_conflict`; what was said then is taken back by `tellNeverWas`. */
export async function holdRight(
  host: TeleportHost,
  vm: ManagedVm,
  { storeUrl, durationMs }: WantedLease,
): Promise<void> {
  const { ownership, storage } = await host.openStore(storeUrl);
  // Before the store is told: whoever settles this after a crash must know whom to tell.
  await vm.update({
    ownership: { storeUrl: storage.url, epoch: FIRST_EPOCH, leaseMs: durationMs, leasePause: 'none' },
  });
  const next = nextRecord(host, { vmId: vm.id, vmName: vm.name }, null, {
    epoch: FIRST_EPOCH,
    state: { state: 'running', owner: host.identity.id, packageId: null, lease: { durationMs } },
  });
  const outcome = await swap(host, ownership, null, next);
  if (!outcome.isWon)
    throw new KelpieError('store_conflict', `the store has a record of "${vm.name}" already; try again.`);
  await host.leases.secure(vm);
}
