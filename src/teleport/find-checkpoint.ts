/** Whether what somebody wants to restore is a checkpoint, which becomes a new VM, or running memory, which goes on as the VM that it is. */
import type { CheckpointOrigin } from './fetch-checkpoint.ts';
import { findSnapshot } from './restore-local.ts';
import type { ManagedVm } from './managed-vm.ts';
import type { TeleportHost } from './teleport-host.ts';

/** A snapshot of this host; null when it is no checkpoint. @throws KelpieError as `findSnapshot`. */
export async function findCheckpoint(
  host: TeleportHost,
  vm: ManagedVm,
  reference: string,
): Promise<CheckpointOrigin | null> {
  const snapshot = await findSnapshot(host, vm, reference);
  return snapshot.metadata.kind === 'checkpoint' ? { kind: 'local', snapshot } : null;
}

/** A package of a store; null when it is no checkpoint. @throws KelpieError as `TeleportStorage.download`. */
export async function openCheckpoint(
  host: TeleportHost,
  storeUrl: string,
  packageId: string,
): Promise<CheckpointOrigin | null> {
  const store = await host.openStore(storeUrl);
  const open = await store.storage.download(packageId);
  if (open.package.metadata.kind !== 'checkpoint') return null;
  return { kind: 'store', open, storeId: await store.id() };
}
