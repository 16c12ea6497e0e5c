import type { Bytes } from '../base/bytes.ts';
import type { Files } from './files.ts';

/** The directory that a path is in. */
export function parentDirectory(path: string): string {
  const end = path.lastIndexOf('/');
  return end === 0 ? '/' : path.slice(0, end);
}

/** Makes a new file whose contents are durable; its name is after `syncDirectory` of the parent. @throws SystemError `EEXIST` … */
export async function createSynced(files: Files, path: string, bytes: Bytes): Promise<void> {
  const handle = await files.open(path, 'wx');
  try {
    await handle.write(bytes, 0);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Makes or replaces a small file, durably: after a power cut it has the old contents or the new. One writer per path at a
 * time. A crash leaves at most `PATH.new`, which the next write replaces.
 */
export async function replaceDurably(files: Files, path: string, bytes: Bytes): Promise<void> {
  const beside = `${path}.new`;
  await files.removeTree(beside);
  try {
    await createSynced(files, beside, bytes);
    await files.rename(beside, path);
  } catch (error) {
    // What cannot be removed either is replaced by the next write.
    await Promise.allSettled([files.removeTree(beside)]);
    throw error;
  }
  await files.syncDirectory(parentDirectory(path));
}

/** Makes the contents of a file, and its name, durable. */
export async function makeDurable(files: Files, path: string): Promise<void> {
  const handle = await files.open(path, 'r+');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
  await files.syncDirectory(parentDirectory(path));
}
