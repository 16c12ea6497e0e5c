import type { Files } from './files.ts';
import { isSystemError } from './system-error.ts';

/** As `Files.list`; a directory that is not there has nothing in it. */
export async function listIfThere(files: Files, path: string): Promise<readonly string[]> {
  try {
    return await files.list(path);
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return [];
    throw error;
  }
}
