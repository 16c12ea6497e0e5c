import type { Env } from '../env/env.ts';
import { isSystemError } from '../env/system-error.ts';

export interface FoundProgram {
  readonly path: string;
  /** Changes when the program is replaced by another version. */
  readonly fingerprint: string;
}

/** The program that the shell would start; null when there is none. A name with a slash is a path already. */
export async function findProgram(
  env: Pick<Env, 'files' | 'host'>,
  name: string,
): Promise<FoundProgram | null> {
  const directories = name.includes('/')
    ? ['']
    : (env.host.variable('PATH') ?? '').split(':').filter((path) => path.startsWith('/'));
  for (const directory of directories) {
    const path = directory === '' ? name : `${directory}/${name}`;
    try {
      const { kind, mode, sizeBytes, modifiedMs, inode } = await env.files.stat(path);
      if (kind === 'file' && (mode & 0o111) !== 0)
        return { path, fingerprint: `${inode}-${sizeBytes}-${modifiedMs}` };
    } catch (error) {
      if (!isSystemError(error, 'ENOENT', 'ENOTDIR', 'EACCES')) throw error;
    }
  }
  return null;
}
