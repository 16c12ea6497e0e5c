import { captureSnapshot } from './capture.ts';
import { journaled } from './journaled.ts';
import { newOperation } from './new-operation.ts';
import type { Captured } from './capture.ts';
import type { ManagedVm } from './managed-vm.ts';
import type { OperationOptions } from './source.ts';
import type { TeleportHost } from './teleport-host.ts';
import type { VmRegistry } from './vm-registry.ts';

export interface JournaledCapture extends OperationOptions {
  /** What the snapshot is for. Of a `suspend` the VM stays paused, of the others it goes on when it ran. */
  readonly kind: 'snapshot' | 'suspend' | 'fork';
  readonly message: string;
}

/**
 * A live VM, a snapshot of it, and what is made of that, as one operation: when any of it fails, it is settled as a crash in it would be. Progress phase: `capture`.
 * @param work calls `capture` once.
 */
export async function journaledCapture<T>(
  host: TeleportHost,
  registry: VmRegistry,
  vm: ManagedVm,
  { kind, message, listener, signal }: JournaledCapture,
  work: (capture: () => Promise<Captured>) => Promise<T>,
): Promise<T> {
  const snapshotId = host.env.random.uuid();
  const wasRunning = vm.record.state === 'running';
  const operation = { ...newOperation(host, vm), kind, snapshotId, wasRunning };
  const resume = wasRunning && kind !== 'suspend';
  listener.progress('capture');
  return journaled(host, registry, operation, () =>
    work(() => captureSnapshot(host, vm, { snapshotId, kind: 'suspend', message, resume, signal })),
  );
}
