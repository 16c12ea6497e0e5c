import type { Env } from '../../env/env.ts';
import { isSystemError } from '../../env/system-error.ts';
import type { LiveVm } from './context.ts';
import { LOG_BYTES_MAX, LOG_CHECK_MS } from './limits.ts';

/** Why a VM is over without having been asked to. */
export type VmEnd =
  /** QEMU has ended. */
  | { readonly kind: 'process' }
  /** The guest is off, QEMU waits for us: `guest-shutdown`, `guest-reset`, `guest-panic` … */
  | { readonly kind: 'guest'; readonly reason: string };

/**
 * Watches a VM until the returned function is called: its end, and the size of QEMU's log.
 * @param onEnd called at most once.
 */
export function supervise(env: Env, vm: LiveVm, logPath: string, onEnd: (end: VmEnd) => void): () => void {
  const stopped = new AbortController();
  const tell = (end: VmEnd): void => {
    if (stopped.signal.aborted) return;
    stop();
    onEnd(end);
  };
  const stopListening = vm.process.qmp.onEvent((event) => {
    const reason = event.name === 'GUEST_PANICKED' ? 'guest-panic' : event.data['reason'];
    if (event.name !== 'SHUTDOWN' && event.name !== 'GUEST_PANICKED') return;
    tell({ kind: 'guest', reason: typeof reason === 'string' ? reason : 'unknown' });
  });
  const stop = (): void => {
    stopListening();
    stopped.abort();
  };
  void vm.process.ended.then(() => tell({ kind: 'process' }));
  void boundLog(env, logPath, stopped.signal);
  return stop;
}

/** A guest can make QEMU complain as often as it likes; what is lost is the oldest complaints. */
async function boundLog(env: Env, path: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      await env.clock.sleep(LOG_CHECK_MS, signal);
      const { sizeBytes } = await env.files.stat(path);
      if (sizeBytes > LOG_BYTES_MAX) await truncate(env, path);
    } catch (error) {
      // The log goes with the VM; and a disk that fails now is looked at again. Nobody waits for this loop: what it throws would end the daemon.
      if (!signal.aborted && !isSystemError(error)) throw error;
    }
  }
}

/** QEMU appends, so it goes on at the new end. */
async function truncate(env: Env, path: string): Promise<void> {
  const log = await env.files.open(path, 'r+');
  try {
    await log.truncate(0);
  } finally {
    await log.close();
  }
}
