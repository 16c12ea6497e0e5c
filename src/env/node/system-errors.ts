import { constants } from 'node:os';
import { asError } from '../../base/errors.ts';
import { SystemError } from '../system-error.ts';

/** Node's own names for what the system would have said, had Node not noticed first. */
const errnoOfNodeCode: Readonly<Record<string, string>> = {
  ERR_STREAM_DESTROYED: 'EPIPE',
  ERR_STREAM_PREMATURE_CLOSE: 'ECONNRESET',
  // A path with a zero byte in it.
  ERR_INVALID_ARG_VALUE: 'EINVAL',
};

/** For what the kernel says and libuv has no name for, as `EDQUOT`. */
function errnoOfNumber(negated: number): string {
  const named = Object.entries(constants.errno).find(([, value]) => value === -negated);
  return named?.[0] ?? 'EIO';
}

/** Names that OpenSSL and the HTTP parser give to a peer that breaks the protocol. */
const protocolFailure = /^(HPE|ERR_SSL|ERR_TLS)_|CERT|SIGNATURE/;

function errnoOf(thrown: unknown): string | null {
  if (!(thrown instanceof Error) || !('code' in thrown) || typeof thrown.code !== 'string') return null;
  const code = thrown.code;
  if (code.startsWith('Unknown system error') && 'errno' in thrown)
    return errnoOfNumber(Number(thrown.errno));
  const known = errnoOfNodeCode[code];
  if (known !== undefined) return known;
  if (protocolFailure.test(code)) return 'EPROTO';
  return /^E(AI_)?[A-Z0-9]+$/.test(code) ? code : null;
}

/**
 * What Node threw, as the `SystemError` that `Env` promises. Anything that is not the system's refusal (a mistake in an
 * argument, an error of the caller's own iterator) passes unchanged.
 */
export function toSystemError(thrown: unknown, act: string, subject: string): Error {
  if (thrown instanceof SystemError) return thrown;
  const errno = errnoOf(thrown);
  return errno === null ? asError(thrown) : new SystemError(errno, act, subject, thrown);
}

/** Runs one act; its refusal is told as a `SystemError`. */
export async function attempt<T>(act: string, subject: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw toSystemError(error, act, subject);
  }
}
