import type { Env } from '../../env/env.ts';
import type { LiveVm } from './context.ts';
import { goOnAfterFullDisk } from './full-disk.ts';
import { boundLog } from '../log-file.ts';
import type { VmEnd } from '../vm-driver.ts';

/**
 * Watches a VM until the returned function is called: its end, writes that find no room on the host's disk, and the size of QEMU's log.
 * @param onEnd called at most once. @param isToRun as `goOnAfterFullDisk`.
 */
export function supervise(
  env: Env,
  vm: LiveVm,
  logPath: string,
  onEnd: (end: VmEnd) => void,
  isToRun: () => boolean,
): () => void {
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
  void vm.process.ended.then(() => tell({ kind: 'process', isOrderly: false }));
  goOnAfterFullDisk(env.clock, vm.process.qmp, isToRun, stopped.signal);
  void boundLog(env, logPath, stopped.signal);
  return stop;
}
