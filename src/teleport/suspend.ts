/**
 * A VM to sleep, and awake again.
 *
 *     running, paused ──suspend: snapshot, then the end of what runs──▶ suspended ──resume: restored from it──▶ running
 *
 * Asleep it takes no memory and no processor, and outlives its daemon and its host's restart.
 */
import { journaledCapture } from './journaled-capture.ts';
import { resumeVm } from './lifecycle.ts';
import { restoreLocal } from './restore-local.ts';
import type { Captured } from './capture.ts';
import type { ManagedVm } from './managed-vm.ts';
import type { OperationOptions } from './source.ts';
import type { TeleportHost } from './teleport-host.ts';
import type { VmRegistry } from './vm-registry.ts';

/** On failure the VM goes on as before, or it sleeps when its snapshot was complete. Progress phases: `capture`, `stop`. @throws as `captureSnapshot`. */
export async function suspendVm(
  host: TeleportHost,
  registry: VmRegistry,
  vm: ManagedVm,
  message: string,
  options: OperationOptions,
): Promise<Captured> {
  vm.requireLive('suspend');
  return journaledCapture(host, registry, vm, { ...options, kind: 'suspend', message }, async (capture) => {
    const captured = await capture();
    options.listener.progress('stop');
    // From here on it is to sleep, whatever happens: a VMM that is half ended cannot go on.
    await vm.update({ snapshotId: captured.snapshot.metadata.snapshotId });
    await vm.kill();
    await vm.markDead('suspended', null);
    return captured;
  });
}

/** Lets a VM go on that is paused or suspended. Progress phases of one that is suspended: those of `restoreLocal`. */
export async function wakeVm(
  host: TeleportHost,
  registry: VmRegistry,
  vm: ManagedVm,
  options: OperationOptions,
): Promise<void> {
  if (vm.record.state === 'suspended')
    await restoreLocal(host, registry, vm, { snapshotId: null, replace: false }, options);
  else await resumeVm(host, vm);
}
