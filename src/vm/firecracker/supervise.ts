import { fromUtf8Lossy } from '../../base/bytes.ts';
import type { Env } from '../../env/env.ts';
import type { ExitStatus } from '../../env/processes.ts';
import { boundLog, logTail } from '../log-file.ts';
import type { VmEnd } from '../vm-driver.ts';
import { readConsole } from './console.ts';
import type { LiveVm } from './context.ts';

/** What Firecracker writes last when its guest has turned itself off. */
const ORDERLY_WORDS = 'exit_code=0';
/** What Linux prints when it panics. */
const PANIC_WORDS = 'Kernel panic - not syncing';

/**
 * Watches a VM until the returned function is called: its end, and the size of what it writes.
 * @param onEnd called at most once.
 */
export function supervise(env: Env, vm: LiveVm, onEnd: (end: VmEnd) => void): () => void {
  const stopped = new AbortController();
  const { log, console, metrics } = vm.places;
  void vm.process.ended.then(async (status) => {
    const isOrderly = (await hasSucceeded(env, log, status)) && !(await hasPanicked(env, console));
    if (stopped.signal.aborted) return;
    stopped.abort();
    onEnd({ kind: 'process', isOrderly });
  });
  for (const path of [log, console, metrics]) void boundLog(env, path, stopped.signal);
  return () => stopped.abort();
}

/** A process that another daemon started gives its status to nobody. */
async function hasSucceeded(env: Env, log: string, status: ExitStatus | null): Promise<boolean> {
  if (status !== null) return 'code' in status && status.code === 0;
  return (await logTail(env, log)).includes(ORDERLY_WORDS);
}

/** A guest that panics restarts, which ends Firecracker as a power-off does. */
async function hasPanicked(env: Env, consolePath: string): Promise<boolean> {
  return fromUtf8Lossy(await readConsole(env, consolePath)).includes(PANIC_WORDS);
}
