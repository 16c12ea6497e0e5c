/** Refusals of this host's own files, told to the person whose files they are. */
import { KelpieError } from '../base/errors.ts';
import { parentDirectory } from '../env/durable-files.ts';
import { SystemError } from '../env/system-error.ts';
import type { CommandEnv } from '../env/env.ts';
import type { FileHandle } from '../env/files.ts';

/** Runs `work`; what the system refuses becomes a sentence about `act`, like `write ./results`. */
export async function withHostFiles<T>(act: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof SystemError ? told(error, act) : error;
  }
}

/** The file is there with all that `write` writes, durably, or as it was before. A kill leaves at most a `.part` beside it. */
export async function replaceFile(
  env: Pick<CommandEnv, 'files' | 'random'>,
  target: string,
  mode: number,
  write: (handle: FileHandle) => Promise<void>,
): Promise<void> {
  // Of a name of its own: two who write the same file must not write into each other's.
  const part = `${target}.${env.random.uuid()}.part`;
  const handle = await env.files.open(part, 'wx', mode);
  try {
    await write(handle);
    await handle.sync();
    await handle.close();
    await env.files.rename(part, target);
    await env.files.syncDirectory(parentDirectory(target));
  } catch (error) {
    await handle.close();
    await env.files.removeTree(part);
    throw error;
  }
}

function told(cause: SystemError, act: string): KelpieError {
  switch (cause.errno) {
    case 'ENOENT':
      return new KelpieError('file_not_found', `cannot ${act}: its folder is not there.`, { cause });
    case 'ENOSPC':
    case 'EDQUOT':
      return new KelpieError('disk_full', `cannot ${act}: this host's disk is full.`, { cause });
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new KelpieError('permission_denied', `cannot ${act}: it is not permitted (${cause.errno}).`, {
        cause,
      });
    default:
      return new KelpieError('io_failed', `cannot ${act} (${cause.errno}).`, { cause });
  }
}
