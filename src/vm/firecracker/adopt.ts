import { KelpieError } from '../../base/errors.ts';
import type { VmRuntime } from '../instance.ts';
import { guestOf } from '../runtime.ts';
import type { AdoptedVm } from '../vm-driver.ts';
import type { LiveVm, VmContext } from './context.ts';
import { findFirecracker } from './launch.ts';
import type { FoundProcess } from './launch.ts';
import { clearUp, openAgentLink, placesOf } from './start-process.ts';

/**
 * Finds a VM again that another daemon left running. What Firecracker says counts where it differs from what was written down: the other
 * daemon may have ended in the middle of a snapshot. So the next snapshot is a full one.
 * @throws KelpieError `vm_crashed` when it is gone or over: what it left is removed.
 */
export async function adopt(context: VmContext, runtime: VmRuntime): Promise<AdoptedVm<LiveVm>> {
  const { env } = context;
  const { program, features } = await context.abilities();
  const places = placesOf(context, program);
  const found = await findFirecracker(env, runtime.process, places);
  if (found === null) return giveUp(context, null, 'its Firecracker process is gone');
  const { process, info } = found;
  if (info.state === 'Not started') return giveUp(context, found, 'it had not begun to run');
  const isPaused = info.state === 'Paused';
  const { tap, mapped } = runtime.details;
  const vm: LiveVm = {
    process,
    places,
    link: openAgentLink(context, places),
    machine: runtime.machine,
    mapped: mapped ?? null,
    tap: tap ?? null,
    base: null,
    memory: runtime.memory,
    disk: runtime.disk,
    isBarePause: isPaused,
    isDeaf: features.isVsockDeafAfterPause,
    guest: guestOf(runtime),
  };
  if (isPaused) await vm.link.shut(0);
  return { vm, state: isPaused ? 'paused' : 'running' };
}

async function giveUp(context: VmContext, found: FoundProcess | null, why: string): Promise<never> {
  await found?.process.end();
  await clearUp({ ...context, runDirectory: context.places.runDirectory });
  throw new KelpieError('vm_crashed', `"${context.config.name}" ended while no daemon was running: ${why}.`);
}
