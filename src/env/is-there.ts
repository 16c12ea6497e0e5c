import type { Files } from './files.ts';
import { statIfThere } from './stat-if-there.ts';

/** Whether there is anything at a path. */
export async function isThere(files: Pick<Files, 'stat'>, path: string): Promise<boolean> {
  return (await statIfThere(files, path)) !== null;
}
