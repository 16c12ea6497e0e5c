/** Small JSON files that survive a loss of power whole: as they were, or as they became. */
import { fromUtf8, utf8 } from '../base/bytes.ts';
import { parentDirectory, replaceDurably } from '../env/durable-files.ts';
import { isSystemError } from '../env/system-error.ts';
import type { Files } from '../env/files.ts';

/** Makes or replaces the file, durably. Its directory must exist. One writer per path at a time. */
export async function writeJsonDurably(files: Files, path: string, value: unknown): Promise<void> {
  await replaceDurably(files, path, utf8(`${JSON.stringify(value, null, 2)}\n`));
}

/** The parsed file, or undefined when there is none. @throws SyntaxError or TypeError when it is not JSON in UTF-8. */
export async function readJson(files: Files, path: string, sizeBytesMax: number): Promise<unknown> {
  let bytes;
  try {
    bytes = await files.readFile(path, sizeBytesMax);
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return undefined;
    throw error;
  }
  const value: unknown = JSON.parse(fromUtf8(bytes));
  return value;
}

/** Removes the file durably; no error when it is gone. */
export async function removeDurably(files: Files, path: string): Promise<void> {
  try {
    await files.unlink(path);
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return;
    throw error;
  }
  await files.syncDirectory(parentDirectory(path));
}
