import type { Bytes } from '../../base/bytes.ts';
import type { Env } from '../../env/env.ts';
import { isSystemError } from '../../env/system-error.ts';
import { CONSOLE_BYTES_MAX } from '../limits.ts';

/** The last `CONSOLE_BYTES_MAX` that Firecracker wrote of the guest's console; empty when there is none. */
export async function readConsole({ files }: Pick<Env, 'files'>, path: string): Promise<Bytes> {
  try {
    const file = await files.open(path, 'r');
    try {
      const { sizeBytes } = await file.stat();
      const tail = new Uint8Array(Math.min(sizeBytes, CONSOLE_BYTES_MAX));
      return tail.subarray(0, await file.read(tail, sizeBytes - tail.byteLength));
    } finally {
      await file.close();
    }
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return new Uint8Array(0);
    throw error;
  }
}
