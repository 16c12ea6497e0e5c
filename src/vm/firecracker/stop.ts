import { isKelpieError } from '../../base/errors.ts';
import { isSettledWithin } from '../bounded.ts';
import { askPowerOff } from '../power-off.ts';
import type { StopFrom } from '../vm-driver.ts';
import { sendCtrlAltDel } from './api/calls.ts';
import type { LiveVm, VmContext } from './context.ts';
import { STOP_KEYS_TIMEOUT_MS } from './limits.ts';

/**
 * Ends a VM's process: the guest agent's power-off, Ctrl-Alt-Del where there is a keyboard, kill; each bounded. Firecracker ends with its
 * guest, and has no call to end without it.
 * @throws KelpieError `vm_backend_failed` when even the last one fails.
 */
export async function endProcess(
  { env, config }: Pick<VmContext, 'env' | 'config'>,
  vm: Pick<LiveVm, 'process' | 'link'>,
  from: StopFrom,
): Promise<void> {
  const { process, link } = vm;
  if (from === 'guest') {
    if (await askPowerOff(env.clock, link, process.ended)) return;
    if (config.architecture === 'x86_64' && (await pressKeys(vm))) {
      if (await isSettledWithin(env.clock, process.ended, STOP_KEYS_TIMEOUT_MS)) return;
    }
  }
  await process.end();
}

/** False when nobody takes them: the next step of the ladder sees to that. */
async function pressKeys({ process }: Pick<LiveVm, 'process'>): Promise<boolean> {
  try {
    await sendCtrlAltDel(process.api);
    return true;
  } catch (error) {
    if (isKelpieError(error, 'vm_backend_failed')) return false;
    throw error;
  }
}
