/** A VM that came from a store ends on this host: the store's record says so, since nobody else can claim it any more. */
import { asError } from '../base/errors.ts';
import { isOwnedBy, nextRecord, swap } from './ownership.ts';
import type { OwnershipRecord } from '../store/ownership-records.ts';
import type { Store } from '../store/open-store.ts';
import type { ManagedVm } from './managed-vm.ts';
import type { TeleportHost } from './teleport-host.ts';

/** The store that has to be told, and its record; null when there is none. @throws KelpieError the store's. */
export async function storeToTell(
  host: TeleportHost,
  vm: ManagedVm,
): Promise<{ readonly store: Store; readonly record: OwnershipRecord } | null> {
  const { ownership } = vm.record;
  if (ownership === null) return null;
  const store = await host.openStore(ownership.storeUrl);
  const record = await store.ownership.read(vm.id);
  return record !== null && isOwnedBy(record, host.identity.id) ? { store, record } : null;
}

/** Nothing of the VM runs any more. Without an answer the record goes on to say that this host runs it, which nobody can claim either. */
export async function tellRemoved(host: TeleportHost, vm: ManagedVm): Promise<void> {
  await host.leases.release(vm.id);
  await attempt(host, vm, async () => {
    const found = await storeToTell(host, vm);
    if (found !== null) await swapToRemoved(host, vm, found.store, found.record);
  });
}

/**
 * As `tellRemoved`, for a VM that never came to be: its record may not be there, and the first word of it still be on its way. After this one it comes
 * too late.
 */
export async function tellNeverWas(host: TeleportHost, vm: ManagedVm): Promise<void> {
  const { ownership } = vm.record;
  if (ownership === null) return;
  await host.leases.drop(vm.id);
  await attempt(host, vm, async () => {
    const store = await host.openStore(ownership.storeUrl);
    const record = await store.ownership.read(vm.id);
    if (record === null || isOwnedBy(record, host.identity.id)) await swapToRemoved(host, vm, store, record);
  });
}

async function attempt(host: TeleportHost, vm: ManagedVm, tell: () => Promise<void>): Promise<void> {
  try {
    await tell();
  } catch (error) {
    host.log.error({ event: 'ownership-not-told', vmId: vm.id, err: asError(error) });
  }
}

async function swapToRemoved(
  host: TeleportHost,
  vm: ManagedVm,
  { ownership }: Store,
  record: OwnershipRecord | null,
): Promise<void> {
  const next = nextRecord(host, { vmId: vm.id, vmName: vm.name }, record, {
    epoch: (record?.epoch ?? 0) + 1,
    state: { state: 'removed' },
  });
  await swap(host, ownership, record, next);
}
