import type { Files } from './files.ts';
import { isSystemError } from './system-error.ts';

/** Whether there is anything at a path. */
export async function isThere(files: Pick<Files, 'stat'>, path: string): Promise<boolean> {
  try {
    await files.stat(path);
    return true;
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return false;
    throw error;
  }
}
