import { isSystemError } from '../../env/system-error.ts';

/** What the interface answers when it refuses. */
export class Fault extends Error {
  override readonly name = 'Fault';
  readonly status: number;
  /** Whether the process is of no more use and ends after the answer, as after a failed load. */
  readonly isFatal: boolean;

  constructor(message: string, options: { readonly status?: number; readonly isFatal?: boolean } = {}) {
    super(message);
    this.status = options.status ?? 400;
    this.isFatal = options.isFatal ?? false;
  }
}

/** `No such file or directory (os error 2)`: the standard library's text for an error of the system. @throws `error` itself when it is none. */
export function osError(error: unknown): string {
  const code = errnoOf(error);
  if (code === null || !(error instanceof Error)) throw error;
  const known = osErrors[code];
  return known === undefined ? error.message : `${known[0]} (os error ${known[1]})`;
}

function errnoOf(error: unknown): string | null {
  if (isSystemError(error)) return error.errno;
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null;
}

const osErrors: Readonly<Record<string, readonly [text: string, number: number]>> = {
  EPERM: ['Operation not permitted', 1],
  ENOENT: ['No such file or directory', 2],
  EIO: ['Input/output error', 5],
  EACCES: ['Permission denied', 13],
  EBUSY: ['Device or resource busy', 16],
  EEXIST: ['File exists', 17],
  ENOTDIR: ['Not a directory', 20],
  EISDIR: ['Is a directory', 21],
  EINVAL: ['Invalid argument', 22],
  ENOSPC: ['No space left on device', 28],
  EROFS: ['Read-only file system', 30],
  EADDRINUSE: ['Address in use', 98],
};
