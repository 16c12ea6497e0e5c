import type { Files, FileStat } from './files.ts';
import { isSystemError } from './system-error.ts';

/** What is at a path; null when nothing is. */
export async function statIfThere(files: Pick<Files, 'stat'>, path: string): Promise<FileStat | null> {
  try {
    return await files.stat(path);
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return null;
    throw error;
  }
}
