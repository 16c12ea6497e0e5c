import { fromUtf8Lossy } from '../../base/bytes.ts';
import { throwIfCanceled } from '../../base/cancel.ts';
import { isKelpieError, KelpieError } from '../../base/errors.ts';
import type { GuestAgent } from '../../guest/guest-agent.ts';
import type { AgentLink } from './agent-link.ts';
import type { ConsoleLog } from './console-log.ts';
import type { QemuProcess } from './launch.ts';

/** How much of the console an error quotes. */
const CONSOLE_TAIL_CHARACTERS = 600;

export interface FirstContact {
  readonly link: AgentLink;
  readonly process: QemuProcess;
  readonly console: ConsoleLog;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/**
 * The agent of a VM that has just begun to run; given up as soon as QEMU ends or the guest turns itself off.
 * @param onTimeout makes the error from the console's end.
 * @throws KelpieError `vm_start_failed`, `canceled`, or what `onTimeout` makes.
 */
export async function connectFirst(
  contact: FirstContact,
  onTimeout: (consoleTail: string, cause: unknown) => KelpieError,
): Promise<GuestAgent> {
  const { link, process, signal } = contact;
  const gone = new AbortController();
  const stopListening = process.qmp.onEvent((event) => {
    if (event.name === 'SHUTDOWN' || event.name === 'GUEST_PANICKED') gone.abort();
  });
  void process.ended.then(() => gone.abort());
  const until = signal === undefined ? gone.signal : AbortSignal.any([gone.signal, signal]);
  try {
    return await link.connect({ timeoutMs: contact.timeoutMs, signal: until });
  } catch (error) {
    throwIfCanceled(signal, 'starting the VM');
    if (gone.signal.aborted) {
      const tail = await consoleTail(contact);
      throw new KelpieError(
        'vm_start_failed',
        `the guest ended while it started. The console ends with: ${tail}`,
        {
          cause: error,
        },
      );
    }
    if (!isKelpieError(error, 'guest_unreachable')) throw error;
    throw onTimeout(await consoleTail(contact), error);
  } finally {
    stopListening();
  }
}

/** The console's end for an error's sentence; the process may be gone. */
async function consoleTail({ console, process }: FirstContact): Promise<string> {
  let bytes: Uint8Array;
  try {
    bytes = await console.read(process.qmp);
  } catch (error) {
    if (!isKelpieError(error, 'vm_backend_failed')) throw error;
    bytes = await console.kept();
  }
  const text = fromUtf8Lossy(bytes).trim().slice(-CONSOLE_TAIL_CHARACTERS);
  return text === '' ? '(nothing)' : text;
}
