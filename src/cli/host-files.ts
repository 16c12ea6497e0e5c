/** Refusals of this host's own files, told to the person whose files they are. */
import { KelpieError } from '../base/errors.ts';
import { SystemError } from '../env/system-error.ts';

/** Runs `work`; what the system refuses becomes a sentence about `act`, like `write ./results`. */
export async function withHostFiles<T>(act: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof SystemError ? told(error, act) : error;
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
