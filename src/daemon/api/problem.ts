/** Errors on the wire: RFC 9457 problem details, with our `code` and `data` beside the standard members. */
import { z } from 'zod';
import { errorCodes, isErrorCode } from '../../base/error-codes.ts';
import { KelpieError } from '../../base/errors.ts';
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

export const problem: z.ZodType<Problem> = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  code: z.string().refine(isErrorCode),
  data: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.array(z.string())])),
});

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
