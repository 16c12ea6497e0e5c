import { KelpieError } from '../base/errors.ts';
import type { ErrorCode } from '../base/error-codes.ts';

/** The guest broke a rule of `docs/PROTOCOL.md`; whoever raises this makes the connection end. */
export function guestProtocolError(what: string, cause?: unknown): KelpieError {
  return new KelpieError('guest_protocol_error', `the guest agent broke the protocol: ${what}`, { cause });
}

/** The guest does not answer, or its connection is gone. */
export function guestUnreachable(what: string, cause?: unknown): KelpieError {
  return new KelpieError('guest_unreachable', `the guest agent is not reachable: ${what}`, { cause });
}

/** An error answer as it came, already checked. */
export interface GuestFailure {
  readonly code: number;
  readonly message: string;
  readonly reason: string;
  readonly errno: number | null;
}

/** Linux numbers, the same on every architecture that a guest can have. */
const ENOENT = 2;

/** What a `reason` means when it answers `method`. */
function codeOf(method: string, failure: GuestFailure): ErrorCode {
  const isFile = method.startsWith('file.');
  switch (failure.reason) {
    case 'not_executable':
      return 'command_not_executable';
    case 'invalid_params':
      return 'invalid_argument';
    case 'conflict':
      return 'invalid_state';
    case 'not_found':
      if (isFile) return 'file_not_found';
      // A new session can only lack its user.
      return method === 'exec.start' ? 'invalid_argument' : 'session_not_found';
    case 'os':
      return isFile && failure.errno === ENOENT ? 'file_not_found' : 'guest_failed';
    default:
      return 'guest_failed';
  }
}

/** The error of a call that the agent refused. The guest's words are kept, as data that nobody acts on. */
export function guestRefusal(method: string, failure: GuestFailure): KelpieError {
  const errno = failure.errno === null ? '' : ` (errno ${failure.errno})`;
  return new KelpieError(codeOf(method, failure), `the guest refused ${method}: ${failure.message}${errno}`, {
    data: {
      method,
      reason: failure.reason,
      guestCode: failure.code,
      ...(failure.errno === null ? {} : { errno: failure.errno }),
    },
  });
}
