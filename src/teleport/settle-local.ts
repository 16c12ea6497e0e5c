/**
 * What becomes of an operation on this host alone that was cut, by an error or by a crash. Only a VM with a lease waits for its store, which must renew it
 * before the VM goes on.
 *
 *     operation   found                                   so
 *     create      anything                                there never was a VM: what runs is ended, all is removed
 *     start       anything                                what runs is ended; the record is as before
 *     stop        anything                                ended now: that was asked for
 *     snapshot    the record names it as the last one     it is there; a VM that ran goes on
 *     snapshot    anything else                           it never was; a VM that ran goes on
 *     suspend     the record names it as the last one     what runs is ended now; it sleeps in it
 *     suspend     anything else                           it never was; a VM that ran goes on
 *     fork        anything                                its snapshot never was; a VM that ran goes on
 *     checkpoint  anything                                it never was; the VM was not touched
 *     restore     anything                                what runs is ended; the record is as before, with every snapshot
 *     remove      anything                                removed now, and its store told if it answers
 *
 * Nobody was told that a create, start or restore succeeded while its entry is there, and a state in the record does not say that the
 * guest was repaired: so they go back, and only what has no entry stands.
 */
import { removeStray } from './managed-vm.ts';
import { keepOrRemoveSnapshot } from './settle-snapshot.ts';
import { tellNeverWas, tellRemoved } from './tell-removed.ts';
import type { ManagedVm } from './managed-vm.ts';
import type {
  CheckpointOperation,
  CreateOperation,
  ForkOperation,
  RemoveOperation,
  RestoreOperation,
  SnapshotOperation,
  StartOperation,
  StopOperation,
  SuspendOperation,
} from './operations.ts';
import type { TeleportHost } from './teleport-host.ts';
import type { VmRegistry } from './vm-registry.ts';

export type LocalOperation =
  | CreateOperation
  | StartOperation
  | StopOperation
  | SnapshotOperation
  | SuspendOperation
  | ForkOperation
  | CheckpointOperation
  | RestoreOperation
  | RemoveOperation;

/** Idempotent; the journal entry is gone when this resolves. A live VM has its instance again before this is called. */
export async function settleLocal(
  host: TeleportHost,
  registry: VmRegistry,
  operation: LocalOperation,
): Promise<void> {
  const vm = registry.byId(operation.vmId);
  if (vm !== undefined) await settleVm(host, registry, vm, operation);
  else if (operation.kind === 'create' || operation.kind === 'remove') {
    // What runs of a VM without a record is found by its directory alone.
    await removeStray(host, host.places.runDirectory(operation.vmId));
    await registry.remove(operation.vmId);
  }
  await host.journal.remove(operation);
}

async function settleVm(
  host: TeleportHost,
  registry: VmRegistry,
  vm: ManagedVm,
  operation: LocalOperation,
): Promise<void> {
  switch (operation.kind) {
    case 'start':
    case 'restore':
      await vm.kill();
      return vm.update({ ...operation.before, runtime: null, startedAtUnixMs: null });
    case 'stop':
      await vm.kill();
      return vm.markDead('stopped', null);
    case 'snapshot':
    case 'fork':
      return settleSnapshot(host, vm, operation);
    case 'suspend':
      if (vm.record.snapshotId !== operation.snapshotId) return settleSnapshot(host, vm, operation);
      await vm.kill();
      return vm.markDead('suspended', null);
    case 'checkpoint':
      return host.snapshots.delete(vm.id, operation.snapshotId);
    case 'create':
      await vm.kill();
      await tellNeverWas(host, vm);
      return registry.remove(vm.id);
    case 'remove':
      await vm.kill();
      await tellRemoved(host, vm);
      return registry.remove(vm.id);
    default:
      return operation satisfies never;
  }
}

async function settleSnapshot(
  host: TeleportHost,
  vm: ManagedVm,
  operation: SnapshotOperation | SuspendOperation | ForkOperation,
): Promise<void> {
  if (operation.wasRunning && vm.record.state === 'paused' && vm.instance !== null) {
    await host.leases.renew(vm);
    await vm.instance.resume();
  }
  if (vm.record.snapshotId !== operation.snapshotId)
    await keepOrRemoveSnapshot(host, vm, operation.snapshotId);
}
