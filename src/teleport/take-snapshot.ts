/** A snapshot of a live VM, which goes on (or stays paused when it was). Progress phases: `capture`. */
import { captureSnapshot } from './capture.ts';
import { journaled } from './journaled.ts';
import { newOperation } from './new-operation.ts';
import type { Captured } from './capture.ts';
import type { ManagedVm } from './managed-vm.ts';
import type { OperationOptions } from './source.ts';
import type { TeleportHost } from './teleport-host.ts';
import type { VmRegistry } from './vm-registry.ts';

/** On failure the VM goes on as before and there is no snapshot. */
export async function takeSnapshot(
  host: TeleportHost,
  registry: VmRegistry,
  vm: ManagedVm,
  message: string,
  { listener, signal }: OperationOptions,
): Promise<Captured> {
  vm.requireLive('snapshot');
  const snapshotId = host.env.random.uuid();
  const wasRunning = vm.record.state === 'running';
  const operation = { ...newOperation(host, vm), kind: 'snapshot', snapshotId, wasRunning } as const;
  listener.progress('capture');
  return journaled(host, registry, operation, async () => {
    const captured = await captureSnapshot(host, vm, {
      snapshotId,
      kind: 'suspend',
      message,
      resume: wasRunning,
      signal,
    });
    await vm.update({ snapshotId });
    return captured;
  });
}
