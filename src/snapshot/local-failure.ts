import { KelpieError } from '../base/errors.ts';
import { SystemError } from '../env/system-error.ts';

/**
 * A failure of this host's own disk, told to the user; what is no refusal of the system passes unchanged.
 * @param act what was done, for the sentence: `write the snapshot`.
 */
export function localFailure(error: unknown, act: string): unknown {
  if (!(error instanceof SystemError)) return error;
  switch (error.errno) {
    case 'ENOSPC':
    case 'EDQUOT':
      return diskFull(act, error);
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new KelpieError('permission_denied', `cannot ${act}: ${error.message}.`, { cause: error });
    default:
      return new KelpieError('io_failed', `cannot ${act}: ${error.message}.`, { cause: error });
  }
}

/** @param act as of `localFailure`. */
export function diskFull(act: string, cause: unknown): KelpieError {
  const message = `cannot ${act}: this host's disk is full; free some space and try again.`;
  return new KelpieError('disk_full', message, { cause });
}

/** Runs `work`; its refusals by the system become sentences about `act`. */
export async function attemptLocally<T>(act: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw localFailure(error, act);
  }
}
