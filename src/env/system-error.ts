/**
 * A refusal of the operating system. It is raised by `Env` only, and translated to a `KelpieError` by whoever knows what
 * the user was doing.
 */
export class SystemError extends Error {
  /** POSIX name: `ENOENT`, `ENOSPC`, `ECONNREFUSED` … */
  readonly errno: string;
  /** What was tried: `open`, `connect` … */
  readonly act: string;
  /** The path, address or pid that it was tried on. */
  readonly subject: string;

  constructor(errno: string, act: string, subject: string, cause?: unknown) {
    super(`${act} ${subject}: ${errno}`, cause === undefined ? undefined : { cause });
    this.name = 'SystemError';
    this.errno = errno;
    this.act = act;
    this.subject = subject;
  }
}

/** True when `error` is a `SystemError` with one of the given POSIX names. */
export function isSystemError(error: unknown, ...errnos: readonly string[]): error is SystemError {
  return error instanceof SystemError && (errnos.length === 0 || errnos.includes(error.errno));
}
