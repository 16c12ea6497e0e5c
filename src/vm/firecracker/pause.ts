/**
 * A pause and its end. Firecracker 1.16 makes vsock deaf when a VM goes on after a pause in which no snapshot was taken: no connection of
 * the host gets through any more, until a snapshot resets the device (fixed after 1.16.1, pull request 6100 of Firecracker). So there every pause has one.
 */
import { isKelpieError } from '../../base/errors.ts';
import { createSnapshot, pauseVm, resumeVm } from './api/calls.ts';
import type { LiveVm, VmContext } from './context.ts';
import { names } from './process-places.ts';

export async function pause(vm: LiveVm): Promise<void> {
  // Before it is known: a call that fails may have paused it.
  vm.isBarePause = true;
  await pauseVm(vm.process.api);
}

/** Lets a paused VM go on so that its agent can be reached. */
export async function goOn(context: VmContext, vm: LiveVm): Promise<void> {
  const { features } = await context.abilities();
  if (vm.isBarePause && features.isVsockDeafAfterPause) await resetVsock(context, vm);
  await resumeVm(vm.process.api);
  vm.isBarePause = false;
}

/**
 * Makes a VM that runs hear again, when it may have gone on deaf. The VM goes on, whatever fails.
 * @returns whether it hears what it did not hear before.
 */
export async function mendVsock(context: VmContext, vm: LiveVm): Promise<boolean> {
  if (!vm.isDeaf) return false;
  try {
    await pause(vm);
  } finally {
    await goOn(context, vm);
  }
  return !vm.isDeaf;
}

/** A snapshot that nobody keeps; what was noted of written pages goes with it. */
async function resetVsock({ env }: VmContext, vm: LiveVm): Promise<void> {
  vm.base = null;
  vm.isDeaf = true;
  try {
    await createSnapshot(vm.process.api, {
      snapshot_type: 'Diff',
      snapshot_path: names.newState,
      mem_file_path: names.newMemory,
    });
    vm.isDeaf = false;
  } catch (error) {
    // The VM must go on; deaf, it is mended when somebody cannot reach it, or by the next snapshot that succeeds.
    if (!isKelpieError(error, 'vm_backend_failed')) throw error;
  } finally {
    // Either way nothing comes through the connections that there are.
    vm.link.close();
    for (const name of [names.newState, names.newMemory])
      await env.files.removeTree(`${vm.places.root}/${name}`);
  }
}
