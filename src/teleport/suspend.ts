/**
 * A VM to sleep, and awake again.
 *
 *     running, paused ──suspend: snapshot, then the end of what runs──▶ suspended ──resume: restored from it──▶ running
 *
 * Asleep it takes no memory and no processor, and outlives its daemon and its host's restart.
 */
import { captureSnapshot } from './capture.ts';
import { journaled } from './journaled.ts';
import { resumeVm } from './lifecycle.ts';
import { newOperation } from './new-operation.ts';
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
  { listener, signal }: OperationOptions,
): Promise<Captured> {
  vm.requireLive('suspend');
  const snapshotId = host.env.random.uuid();
  const wasRunning = vm.record.state === 'running';
  const operation = { ...newOperation(host, vm), kind: 'suspend', snapshotId, wasRunning } as const;
  return journaled(host, registry, operation, async () => {
    listener.progress('capture');
    const captured = await captureSnapshot(host, vm, {
      snapshotId,
      kind: 'suspend',
      message,
      resume: false,
      signal,
    });
    listener.progress('stop');
    // From here on it is to sleep, whatever happens: a VMM that is half ended cannot go on.
    await vm.update({ snapshotId });
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
