/** The file that a VMM's own messages go to: its end for errors, its size within bounds. */
import { fromUtf8Lossy } from '../base/bytes.ts';
import { withoutFullStop } from '../base/sentence.ts';
import type { Env } from '../env/env.ts';
import { isSystemError } from '../env/system-error.ts';
import { readTail } from './file-tail.ts';
import { LOG_BYTES_MAX, LOG_CHECK_MS, LOG_TAIL_BYTES } from './limits.ts';

/** The end of a VMM's messages in one line, to be quoted within a sentence. */
export async function logTail(env: Pick<Env, 'files'>, path: string): Promise<string> {
  const tail = fromUtf8Lossy(await readTail(env, path, LOG_TAIL_BYTES));
  const text = tail.replaceAll('\0', '').trim();
  return text === '' ? 'it said nothing' : withoutFullStop(text.replaceAll(/\s*\n\s*/g, '; '));
}

/** Keeps a log within bounds until `signal` is aborted. A guest can make its VMM complain as often as it likes; what is lost is the oldest complaints. */
export async function boundLog(
  env: Pick<Env, 'clock' | 'files'>,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await env.clock.sleep(LOG_CHECK_MS, signal);
      // What was cut of a file that is not appended to stays as a hole before the rest.
      const { sizeBytes, allocatedBytes } = await env.files.stat(path);
      if (Math.min(sizeBytes, allocatedBytes) > LOG_BYTES_MAX) await empty(env, path);
    } catch (error) {
      // The log goes with the VM; and a disk that fails now is looked at again. Nobody waits for this loop: what it throws would end the daemon.
      if (!signal.aborted && !isSystemError(error)) throw error;
    }
  }
}

async function empty({ files }: Pick<Env, 'files'>, path: string): Promise<void> {
  const log = await files.open(path, 'r+');
  try {
    await log.truncate(0);
  } finally {
    await log.close();
  }
}
