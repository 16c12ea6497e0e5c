import { isKelpieError } from '../../base/errors.ts';
import type { Env } from '../../env/env.ts';
import { isSettledWithin } from '../bounded.ts';
import { askPowerOff } from '../power-off.ts';
import type { StopFrom } from '../vm-driver.ts';
import type { LiveVm } from './context.ts';
import { STOP_QUIT_TIMEOUT_MS } from './limits.ts';
import { quit } from './qmp-commands.ts';

/** Ends a VM's process, one step after the other, each bounded. @throws KelpieError `vm_backend_failed` when even the last one fails. */
export async function endProcess(env: Env, vm: LiveVm, from: StopFrom): Promise<void> {
  if (from === 'guest') await powerOff(env, vm);
  if (from !== 'kill') {
    await unlessGone(vm.console.read(vm.process.qmp));
    await unlessGone(quit(vm.process.qmp));
    if (await isSettledWithin(env.clock, vm.process.ended, STOP_QUIT_TIMEOUT_MS)) return;
  }
  await vm.process.end();
}

/** Returns when the guest has turned itself off, or will not in time. */
async function powerOff(env: Env, vm: LiveVm): Promise<void> {
  const isOff = Promise.withResolvers<void>();
  const stopListening = vm.process.qmp.onEvent((event) => {
    if (event.name === 'SHUTDOWN') isOff.resolve();
  });
  try {
    await askPowerOff(env.clock, vm.link, Promise.race([isOff.promise, vm.process.ended]));
  } finally {
    stopListening();
  }
}

/** QEMU may end, or hang, at any of these; the next step of the ladder takes care of it. */
async function unlessGone(asked: Promise<unknown>): Promise<void> {
  try {
    await asked;
  } catch (error) {
    if (!isKelpieError(error, 'vm_backend_failed')) throw error;
  }
}
