/** What copies are made of, on this host: a VM that runs or stands still, or one of its snapshots. Of a store: `fork-package.ts`. */
import { KelpieError } from '../base/errors.ts';
import { requireCompatible } from './host-facts.ts';
import { journaledCapture } from './journaled-capture.ts';
import { findSnapshot } from './restore-local.ts';
import type { LocalSnapshot } from '../snapshot/local-snapshots.ts';
import type { ManagedVm } from './managed-vm.ts';
import type { OperationOptions } from './source.ts';
import type { Stopwatch } from './stopwatch.ts';
import type { TeleportHost } from './teleport-host.ts';
import type { VmRegistry } from './vm-registry.ts';

export interface OriginOptions extends OperationOptions {
  readonly times: Stopwatch;
}

export interface ForkOrigin {
  /** The VM that the copies are of. */
  readonly vmId: string;
  readonly vmName: string;
  /**
   * Calls `use` once, with the snapshot that the copies begin with, and keeps it from everybody else while `use` runs; its blobs stay as long as a copy names them.
   * On failure, also of `use`, everything is as before.
   * @param copyIds of the copies, whose intents are in the journal.
   */
  withSnapshot(
    copyIds: readonly string[],
    options: OriginOptions,
    use: (snapshot: LocalSnapshot) => Promise<void>,
  ): Promise<void>;
}

/** What the daemon adds: the lock of the VM that copies are made of. It is free again before they are started. */
export interface OriginGuard {
  /** @throws KelpieError `vm_busy`. */
  whileLocked<T>(vmId: string, act: () => Promise<T>): Promise<T>;
}

/** A VM as it is now. It is paused for the snapshot only, which nobody sees and which is gone when the copies have its files. Progress phase: `capture`. */
export function liveOrigin(
  host: TeleportHost,
  registry: VmRegistry,
  vm: ManagedVm,
  guard: OriginGuard,
): ForkOrigin {
  return {
    vmId: vm.id,
    vmName: vm.name,
    withSnapshot: (_copyIds, options, use) =>
      guard.whileLocked(vm.id, async () => {
        requireForkable(vm);
        const request = { ...options, kind: 'fork', message: '' } as const;
        await journaledCapture(host, registry, vm, request, async (capture) => {
          const { snapshot, timings } = await options.times.measure('capture', capture);
          options.times.set('pauseMs', timings.pauseMs);
          await use(snapshot);
          await host.snapshots.delete(vm.id, snapshot.metadata.snapshotId);
        });
      }),
  };
}

/** A snapshot of this host, whatever has become of its VM. @param reference an id, or the unique beginning of one. */
export function snapshotOrigin(
  host: TeleportHost,
  vm: ManagedVm,
  reference: string,
  guard: OriginGuard,
): ForkOrigin {
  return {
    vmId: vm.id,
    vmName: vm.name,
    withSnapshot: (_copyIds, { listener }, use) =>
      guard.whileLocked(vm.id, async () => {
        const snapshot = await findSnapshot(host, vm, reference);
        await requireCompatible(host, snapshot.metadata, { name: vm.name, carriesImage: false, listener });
        await use(snapshot);
      }),
  };
}

/** @throws KelpieError `vm_departed`, `invalid_state`. */
function requireForkable(vm: ManagedVm): void {
  vm.requireHere('fork');
  if (vm.isLive && vm.instance !== null) return;
  throw new KelpieError(
    'invalid_state',
    `cannot fork "${vm.name}": it is ${vm.record.state}; let it run first, or fork one of its snapshots with --snapshot.`,
    { data: { state: vm.record.state, act: 'fork' } },
  );
}
