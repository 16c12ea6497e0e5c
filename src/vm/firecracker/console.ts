import type { Bytes } from '../../base/bytes.ts';
import type { Env } from '../../env/env.ts';
import { readTail } from '../file-tail.ts';
import { CONSOLE_BYTES_MAX } from '../limits.ts';

/** The last `CONSOLE_BYTES_MAX` that Firecracker wrote of the guest's console; empty when there is none. */
export async function readConsole(env: Pick<Env, 'files'>, path: string): Promise<Bytes> {
  return readTail(env, path, CONSOLE_BYTES_MAX);
}
