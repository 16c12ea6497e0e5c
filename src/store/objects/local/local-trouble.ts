import { SystemError } from '../../../env/system-error.ts';
import { StoreTrouble } from '../store-trouble.ts';
import type { TroubleKind } from '../store-trouble.ts';

/** After these nobody knows what the file system has done (a network one may have done it). */
const unsureErrnos = new Set(['EIO', 'ESTALE', 'ETIMEDOUT']);

/** A refusal of the system, told as the store's; what is none passes unchanged. */
export function localTrouble(error: unknown, url: string, isWrite: boolean): unknown {
  if (!(error instanceof SystemError)) return error;
  const { kind, sentence } = explain(error, url, isWrite);
  return new StoreTrouble(kind, sentence, {
    cause: error,
    data: { storeUrl: url },
    isOutcomeUnknown: isWrite && unsureErrnos.has(error.errno),
  });
}

/** The write was done, but whether a power cut would undo it is not known. */
export function unsureTrouble(error: unknown, url: string): unknown {
  const told = localTrouble(error, url, true);
  if (!(told instanceof StoreTrouble)) return told;
  return new StoreTrouble(told.kind, told.message, { cause: error, data: told.data, isOutcomeUnknown: true });
}

function explain(
  error: SystemError,
  url: string,
  isWrite: boolean,
): { readonly kind: TroubleKind; readonly sentence: string } {
  switch (error.errno) {
    case 'ENOSPC':
    case 'EDQUOT':
      return { kind: 'full', sentence: `the store ${url} is full: free some space, or use another store.` };
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return isWrite
        ? {
            kind: 'write_denied',
            sentence: `cannot write to the store ${url} (${error.errno}): check its permissions.`,
          }
        : {
            kind: 'read_denied',
            sentence: `cannot read the store ${url} (${error.errno}): check its permissions.`,
          };
    case 'ENOENT':
    case 'ENOTDIR':
      return {
        kind: 'bucket_missing',
        sentence: `there is no store at ${url}: make the directory, or mount it, and try again.`,
      };
    case 'ENOSYS':
      return {
        kind: 'unsupported',
        sentence: `cannot use the store ${url}: \`flock\` of util-linux is needed for locks; install it.`,
      };
    default:
      return { kind: 'unavailable', sentence: `the store ${url} failed: ${error.message}.` };
  }
}
