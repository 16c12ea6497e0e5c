import type { Bytes } from '../base/bytes.ts';
import type { Env } from '../env/env.ts';
import { isSystemError } from '../env/system-error.ts';

/** The last `bytesMax` of a file that may grow meanwhile; empty when there is none. */
export async function readTail(
  { files }: Pick<Env, 'files'>,
  path: string,
  bytesMax: number,
): Promise<Bytes> {
  try {
    const file = await files.open(path, 'r');
    try {
      const { sizeBytes } = await file.stat();
      const tail = new Uint8Array(Math.min(sizeBytes, bytesMax));
      return tail.subarray(0, await file.read(tail, sizeBytes - tail.byteLength));
    } finally {
      await file.close();
    }
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return new Uint8Array(0);
    throw error;
  }
}
