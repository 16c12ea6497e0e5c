/** Errors on the wire: RFC 9457 problem details, with our `code` and `data` beside the standard members. */
import { errorCodes, isErrorCode } from '../../base/error-codes.ts';
import { KelpieError } from '../../base/errors.ts';
import { isJsonObject, isSafeInteger } from '../../base/json.ts';
import type { ErrorCode } from '../../base/error-codes.ts';
import type { ErrorData } from '../../base/errors.ts';

export const PROBLEM_CONTENT_TYPE = 'application/problem+json';

export interface Problem {
  /** `urn:kelpie:error:CODE`: a name, not a page. */
  readonly type: string;
  readonly title: string;
  readonly status: number;
  /** The sentence for a person. */
  readonly detail: string;
  readonly code: ErrorCode;
  readonly data: ErrorData;
}

/** The problem details that a value is, or null. By hand, not by a schema: each command loads this, few need it. */
export function readProblem(value: unknown): Problem | null {
  if (!isJsonObject(value)) return null;
  const { type, title, status, detail, code, data } = value;
  const isText = typeof type === 'string' && typeof title === 'string' && typeof detail === 'string';
  if (!isText || !isSafeInteger(status) || !isErrorCode(code) || !isErrorData(data)) return null;
  return { type, title, status, detail, code, data };
}

function isErrorData(value: unknown): value is ErrorData {
  return isJsonObject(value) && Object.values(value).every(isErrorDatum);
}

function isErrorDatum(value: unknown): boolean {
  return Array.isArray(value)
    ? value.every((item) => typeof item === 'string')
    : ['string', 'number', 'boolean'].includes(typeof value);
}

/** The problem details of an error. What is not ours is told as `internal`, without its text: that may hold anything. */
export function toProblem(error: unknown): Problem {
  const known =
    error instanceof KelpieError
      ? error
      : new KelpieError('internal', 'an internal error; the daemon’s log says more.');
  return {
    type: `urn:kelpie:error:${known.code}`,
    title: known.code.replaceAll('_', ' '),
    status: errorCodes[known.code].http,
    detail: known.message,
    code: known.code,
    data: known.data,
  };
}

/** The error again, on the client's side. */
export function fromProblem(told: Problem): KelpieError {
  return new KelpieError(told.code, told.detail, { data: told.data });
}
