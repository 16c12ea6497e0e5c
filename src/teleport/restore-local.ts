/** Back to a snapshot of this host. Progress phases: `stop`, then those of `start-from-snapshot.ts`. */
import { KelpieError } from '../base/errors.ts';
import { uniqueBeginning } from '../base/unique-beginning.ts';
import { requireCompatible } from './host-facts.ts';
import { journaled } from './journaled.ts';
import { newOperation } from './new-operation.ts';
import { requireNotLive } from './lifecycle.ts';
import { startFromSnapshot } from './start-from-snapshot.ts';
import { Stopwatch } from './stopwatch.ts';
import { standingOf } from './vm-record.ts';
import type { LocalSnapshot } from '../snapshot/local-snapshots.ts';
import type { ManagedVm } from './managed-vm.ts';
import type { OperationOptions } from './source.ts';
import type { TeleportHost } from './teleport-host.ts';
import type { VmRegistry } from './vm-registry.ts';

export interface LocalRestoreRequest {
  /** An id or the unique beginning of one; null: the snapshot that the VM took or came from last. */
  readonly snapshotId: string | null;
  /** Stop the VM when it is live; what it did since its last snapshot is lost. */
  readonly replace: boolean;
}

/** On failure the VM is stopped (or crashed, as it was), and every snapshot is still there. */
export async function restoreLocal(
  host: TeleportHost,
  registry: VmRegistry,
  vm: ManagedVm,
  request: LocalRestoreRequest,
  options: OperationOptions,
): Promise<Readonly<Record<string, number>>> {
  if (!request.replace) requireNotLive(vm, 'restore');
  vm.requireHere('restore');
  const snapshot = await findSnapshot(host, vm, request.snapshotId);
  // Before what runs is stopped for it.
  await requireCompatible(host, snapshot.metadata, { name: vm.name, carriesImage: false, ...options });
  const times = new Stopwatch(host.env.clock);
  const before = vm.isLive
    ? { ...standingOf(vm.record), state: 'stopped' as const, reason: null }
    : standingOf(vm.record);
  const { snapshotId } = snapshot.metadata;
  const operation = { ...newOperation(host, vm), kind: 'restore', snapshotId, before } as const;
  await journaled(host, registry, operation, async () => {
    if (vm.isLive) {
      options.listener.progress('stop');
      await times.measure('stop', () => vm.kill());
      await vm.markDead('stopped', null);
    }
    await startFromSnapshot(host, vm, snapshot, { ...options, times });
    await vm.update({ snapshotId });
  });
  return times.all;
}

/** @throws KelpieError `snapshot_not_found`, `invalid_argument` when the beginning is not unique, `snapshot_corrupt`. */
export async function findSnapshot(
  host: TeleportHost,
  vm: ManagedVm,
  reference: string | null,
): Promise<LocalSnapshot> {
  if (reference === null) {
    const { snapshotId } = vm.record;
    if (snapshotId === null)
      throw new KelpieError(
        'snapshot_not_found',
        `"${vm.name}" has no snapshot yet: take one with \`kelpie snapshot ${vm.name}\`.`,
      );
    return host.snapshots.read(vm.id, snapshotId);
  }
  const ids = await host.snapshots.ids(vm.id);
  const only = uniqueBeginning(ids, (id) => id, reference, `snapshots of "${vm.name}"`);
  if (only === null)
    throw new KelpieError(
      'snapshot_not_found',
      `"${vm.name}" has no snapshot ${reference}; \`kelpie log ${vm.name}\` lists them.`,
    );
  return host.snapshots.read(vm.id, only);
}
