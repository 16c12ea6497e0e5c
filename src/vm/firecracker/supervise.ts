import { fromUtf8Lossy } from '../../base/bytes.ts';
import type { Env } from '../../env/env.ts';
import type { ExitStatus } from '../../env/processes.ts';
import { isSystemError } from '../../env/system-error.ts';
import { boundLog, logTail } from '../log-file.ts';
import type { VmEnd } from '../vm-driver.ts';
import { readConsole } from './console.ts';
import { LAST_WORDS_RETRY_MS, LAST_WORDS_TRIES_MAX } from './limits.ts';
import type { ProcessPlaces } from './process-places.ts';

/** What Firecracker writes last when its guest has turned itself off. */
const ORDERLY_WORDS = 'exit_code=0';
/** What Linux prints when it panics. */
const PANIC_WORDS = 'Kernel panic - not syncing';

/** What is watched of a VM. */
export interface WatchedVm {
  readonly process: { readonly ended: Promise<ExitStatus | null> };
  readonly places: Pick<ProcessPlaces, 'log' | 'console' | 'metrics'>;
}

/**
 * Watches a VM until the returned function is called: its end, and the size of what it writes.
 * @param onEnd called at most once.
 */
export function supervise(env: Env, vm: WatchedVm, onEnd: (end: VmEnd) => void): () => void {
  const stopped = new AbortController();
  const { log, console, metrics } = vm.places;
  void vm.process.ended.then(async (status) => {
    if (stopped.signal.aborted) return;
    const isOrderly = await hasEndedWell(env, vm.places, status);
    if (stopped.signal.aborted) return;
    stopped.abort();
    onEnd({ kind: 'process', isOrderly });
  });
  for (const path of [log, console, metrics]) void boundLog(env, path, stopped.signal);
  return () => stopped.abort();
}

/** A disk that fails to read is asked again: nobody waits for this, and what it threw would end the daemon. What stays unread tells of no orderly end. */
async function hasEndedWell(
  env: Env,
  { log, console }: WatchedVm['places'],
  status: ExitStatus | null,
): Promise<boolean> {
  for (let tries = 1; tries <= LAST_WORDS_TRIES_MAX; tries += 1) {
    try {
      return (await hasSucceeded(env, log, status)) && !(await hasPanicked(env, console));
    } catch (error) {
      if (!isSystemError(error)) throw error;
    }
    await env.clock.sleep(LAST_WORDS_RETRY_MS);
  }
  return false;
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
