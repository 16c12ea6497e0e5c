import { KelpieError } from '../base/errors.ts';
import type { ErrorCode } from '../base/error-codes.ts';

/** The guest broke a rule of `docs/PROTOCOL.md`; whoever raises this makes the connection end. */
export function guestProtocolError(what: string, cause?: unknown): KelpieError {
  return new KelpieError('guest_protocol_error', `the guest agent broke the protocol: ${what}.`, { cause });
}

/** The guest does not answer, or its connection is gone. */
export function guestUnreachable(what: string, cause?: unknown): KelpieError {
  return new KelpieError('guest_unreachable', `the guest agent is not reachable: ${what}.`, { cause });
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

/** A call that was refused: what is told of it names what was asked for. */
export interface RefusedCall {
  readonly method: string;
  readonly params: Readonly<Record<string, unknown>>;
}

/** The error of a call that the agent refused. The guest's words are kept, as data that nobody acts on. */
export function guestRefusal({ method, params }: RefusedCall, failure: GuestFailure): KelpieError {
  const why = failure.errno === null ? failure.message : errnoText(failure.errno);
  const sentence = `${attempt(method, params) ?? `the guest refused ${method}`}: ${why}.`;
  return new KelpieError(codeOf(method, failure), sentence, {
    data: {
      method,
      reason: failure.reason,
      guestCode: failure.code,
      ...(failure.errno === null ? {} : { errno: failure.errno }),
    },
  });
}

/** `cannot run "make" in "/no/such" in the VM`; null for calls that people do not make. */
function attempt(method: string, params: RefusedCall['params']): string | null {
  const { path, session, argv, cwd, user } = params;
  switch (method) {
    case 'exec.start': {
      const place = typeof cwd === 'string' ? ` in "${cwd}"` : '';
      const person = typeof user === 'string' ? ` as "${user}"` : '';
      return `cannot run "${Array.isArray(argv) ? String(argv[0]) : ''}"${place}${person} in the VM`;
    }
    case 'exec.attach':
      return `cannot attach to session ${String(session)}`;
    case 'exec.signal':
      return `cannot signal session ${String(session)}`;
    case 'exec.forget':
      return `cannot forget session ${String(session)}`;
    case 'file.read':
    case 'file.stat':
      return `cannot read ${typeof path === 'string' ? path : 'the file'} in the VM`;
    case 'file.write':
    case 'file.commit':
      return `cannot write ${typeof path === 'string' ? path : 'the file'} in the VM`;
    default:
      return null;
  }
}

/** Linux's numbers in words; the rest are rare enough to be looked up. */
const errnoTexts: ReadonlyMap<number, string> = new Map([
  [1, 'it is not permitted (EPERM)'],
  [ENOENT, 'there is no such file or folder (ENOENT)'],
  [7, 'its arguments are too long (E2BIG)'],
  [8, 'it is not a program for this machine (ENOEXEC)'],
  [12, 'the VM is out of memory (ENOMEM)'],
  [13, 'permission is denied (EACCES)'],
  [20, 'a part of its path is not a folder (ENOTDIR)'],
  [21, 'it is a folder (EISDIR)'],
  [26, 'it is being run (ETXTBSY)'],
  [28, 'the VM’s disk is full (ENOSPC)'],
  [30, 'it lies on a read-only file system (EROFS)'],
]);

function errnoText(errno: number): string {
  return errnoTexts.get(errno) ?? `error ${errno} of the guest`;
}
