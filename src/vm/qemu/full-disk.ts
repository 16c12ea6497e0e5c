/**
 * QEMU stops a guest whose write finds no room on the host's disk, and keeps the write. Nothing is lost, but somebody must tell it to go on:
 *
 *     running ──no room──▶ io-error ──cont, after FULL_DISK_RETRY_MS──▶ running, the write is tried again
 *                             ▲                                           │
 *                             └──────────────no room still────────────────┘
 */
import { isKelpieError } from '../../base/errors.ts';
import type { Clock } from '../../env/clock.ts';
import { FULL_DISK_RETRY_MS } from './limits.ts';
import { continueCpus } from './qmp-commands.ts';
import type { QmpClient } from './qmp-client.ts';

/**
 * Lets the guest go on as often as that happens, until `signal` is aborted.
 * @param isToRun whether the VM is to execute and nothing else is being done to it. It is asked in the same turn in which `cont` is sent, so a `stop` that is
 *   sent later is executed later: a VM that was paused by its person, or for a teleport, never goes on by this.
 */
export function goOnAfterFullDisk(
  clock: Clock,
  qmp: QmpClient,
  isToRun: () => boolean,
  signal: AbortSignal,
): void {
  let isWaiting = false;
  const goOn = async (): Promise<void> => {
    for (;;) {
      isWaiting = true;
      await clock.sleep(FULL_DISK_RETRY_MS, signal);
      if (!isToRun()) continue;
      // From here on a write that finds no room is another one.
      isWaiting = false;
      try {
        return await continueCpus(qmp);
      } catch (error) {
        if (!isKelpieError(error)) throw error;
        // It hangs; or it has ended, and `signal` is aborted soon.
        if (isWaiting) return;
      }
    }
  };
  const stopListening = qmp.onEvent(({ name, data }) => {
    if (name === 'BLOCK_IO_ERROR' && data['action'] === 'stop' && !isWaiting)
      goOn().catch((error: unknown) => {
        if (!signal.aborted) throw error;
      });
  });
  signal.addEventListener('abort', stopListening, { once: true });
}
