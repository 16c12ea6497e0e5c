import { KelpieError } from '../../base/errors.ts';
import { SystemError } from '../../env/system-error.ts';

export type StoreAct = 'read' | 'write to' | 'open';

/** A refusal of the system, told as a failure of the store; what is none passes unchanged. */
export function storeFailure(error: unknown, url: string, act: StoreAct): unknown {
  if (!(error instanceof SystemError)) return error;
  const { code, sentence } = explain(error, url, act);
  return new KelpieError(code, sentence, { cause: error, data: { storeUrl: url } });
}

function explain(
  error: SystemError,
  url: string,
  act: StoreAct,
): { readonly code: 'disk_full' | 'store_not_writable' | 'store_unavailable'; readonly sentence: string } {
  switch (error.errno) {
    case 'ENOSPC':
    case 'EDQUOT':
      return {
        code: 'disk_full',
        sentence: `the store ${url} is full: free some space, or use another store.`,
      };
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      if (act === 'write to')
        return {
          code: 'store_not_writable',
          sentence: `cannot write to the store ${url}: ${error.message}; check its permissions.`,
        };
      return {
        code: 'store_unavailable',
        sentence: `cannot ${act} the store ${url}: ${error.message}; check its permissions.`,
      };
    case 'ENOENT':
    case 'ENOTDIR':
      return {
        code: 'store_unavailable',
        sentence: `there is no store at ${url}: make the directory, or mount it, and try again.`,
      };
    default:
      return { code: 'store_unavailable', sentence: `cannot ${act} the store ${url}: ${error.message}.` };
  }
}
