import type { Bytes } from '../../base/bytes.ts';
import { isKelpieError } from '../../base/errors.ts';
import type { FirstContact } from '../first-contact.ts';
import type { LiveVm } from './context.ts';

/** How the agent of a VM that has just begun to run is reached under QEMU. */
export function contactOf(
  vm: Pick<LiveVm, 'link' | 'process' | 'console'>,
  signal: AbortSignal | undefined,
): FirstContact {
  const { link, process } = vm;
  return {
    link,
    ended: process.ended,
    signal,
    onGuestEnd: (listener) =>
      process.qmp.onEvent(({ name }) => {
        if (name === 'SHUTDOWN' || name === 'GUEST_PANICKED') listener();
      }),
    console: () => readConsole(vm),
  };
}

async function readConsole({ console, process }: Pick<LiveVm, 'process' | 'console'>): Promise<Bytes> {
  try {
    return await console.read(process.qmp);
  } catch (error) {
    if (!isKelpieError(error, 'vm_backend_failed')) throw error;
    return console.kept();
  }
}
