/**
 * A pause and its end. Firecracker 1.16 makes vsock deaf when a VM goes on after a pause in which no snapshot was taken: no connection of
 * the host gets through any more, until a snapshot resets the device (fixed after 1.16.1, firecracker pull request 6100).
 */
import { isKelpieError } from '../../base/errors.ts';
import { createSnapshot, pauseVm, resumeVm } from './api/calls.ts';
import type { LiveVm, VmContext } from './context.ts';
import { VSOCK_REVIVE_TIMEOUT_MS } from './limits.ts';
import { names } from './process-places.ts';

export async function pause(vm: LiveVm): Promise<void> {
  await pauseVm(vm.process.api);
  vm.isBarePause = true;
}

/** Lets a paused VM go on, and sees that its agent can be reached. */
export async function goOn(context: VmContext, vm: LiveVm): Promise<void> {
  const { api } = vm.process;
  const { isBarePause } = vm;
  await resumeVm(api);
  vm.isBarePause = false;
  const { features } = await context.abilities();
  if (!isBarePause || !features.isVsockDeafAfterPause) return;
  if (await isReachable(vm)) return;
  await pauseVm(api);
  try {
    await resetVsock(context, vm);
  } finally {
    await resumeVm(api);
  }
}

async function isReachable({ link }: LiveVm): Promise<boolean> {
  link.close();
  try {
    await link.connect({ timeoutMs: VSOCK_REVIVE_TIMEOUT_MS });
    return true;
  } catch (error) {
    if (isKelpieError(error, 'guest_unreachable')) return false;
    throw error;
  }
}

/** A snapshot that nobody keeps; what was noted of written pages goes with it. */
async function resetVsock({ env }: VmContext, vm: LiveVm): Promise<void> {
  const { api } = vm.process;
  vm.base = null;
  try {
    await createSnapshot(api, {
      snapshot_type: 'Diff',
      snapshot_path: names.newState,
      mem_file_path: names.newMemory,
    });
  } finally {
    for (const name of [names.newState, names.newMemory])
      await env.files.removeTree(`${vm.places.root}/${name}`);
  }
}
