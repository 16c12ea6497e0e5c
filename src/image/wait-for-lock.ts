/** Takes a lock between processes, waiting for its turn. */
import type { Env } from '../env/env.ts';
import type { FileLock } from '../env/files.ts';

/** How often a held lock is tried again, in milliseconds: a build's turn is tens of seconds. */
const LOCK_POLL_MS = 250;

/** @throws the signal's reason when it is aborted first. */
export async function waitForLock(
  env: Pick<Env, 'clock' | 'files'>,
  path: string,
  signal: AbortSignal,
): Promise<FileLock> {
  for (;;) {
    const lock = await env.files.tryLock(path);
    if (lock !== null) return lock;
    await env.clock.sleep(LOCK_POLL_MS, signal);
  }
}
