/** A snapshot of a live VM, which goes on (or stays paused when it was). Progress phases: `capture`. */
import { journaledCapture } from './journaled-capture.ts';
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
  options: OperationOptions,
): Promise<Captured> {
  vm.requireLive('snapshot');
  return journaledCapture(host, registry, vm, { ...options, kind: 'snapshot', message }, async (capture) => {
    const captured = await capture();
    await vm.update({ snapshotId: captured.snapshot.metadata.snapshotId });
    return captured;
  });
}
