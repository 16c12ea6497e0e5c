/** SHA-256 of files, streamed. */
import { MIB } from '../base/units.ts';
import type { Env } from '../env/env.ts';

const READ_BYTES: number = 1 * MIB;

/** @throws SystemError `ENOENT` … ; the signal's reason. */
export async function hashFile(
  env: Pick<Env, 'files' | 'compute'>,
  path: string,
  signal?: AbortSignal,
): Promise<{ readonly sizeBytes: number; readonly sha256: string }> {
  const handle = await env.files.open(path, 'r');
  try {
    const hasher = env.compute.sha256Hasher();
    const buffer = new Uint8Array(READ_BYTES);
    let sizeBytes = 0;
    for (;;) {
      signal?.throwIfAborted();
      const length = await handle.read(buffer, sizeBytes);
      if (length === 0) return { sizeBytes, sha256: hasher.digest() };
      hasher.update(buffer.subarray(0, length));
      sizeBytes += length;
    }
  } finally {
    await handle.close();
  }
}
