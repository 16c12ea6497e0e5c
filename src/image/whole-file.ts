/** Small files, written whole. */
import type { Bytes } from '../base/bytes.ts';
import type { Files } from '../env/files.ts';

/** Makes or replaces a file, not atomically; with `sync` it is durable once its folder is synced too. */
export async function writeWhole(
  files: Files,
  path: string,
  bytes: Bytes,
  options?: { readonly sync: boolean },
): Promise<void> {
  const handle = await files.open(path, 'w');
  try {
    if (bytes.byteLength > 0) await handle.write(bytes, 0);
    if (options?.sync === true) await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes a file's contents durable that something else has written. */
export async function syncFile(files: Files, path: string): Promise<void> {
  const handle = await files.open(path, 'r+');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
