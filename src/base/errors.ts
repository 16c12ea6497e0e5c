import type { ErrorCode } from './error-codes.ts';

/** Facts that a caller may need beside the sentence; JSON values only, since they travel in problem details. */
export type ErrorData = Readonly<Record<string, string | number | boolean | readonly string[]>>;

/**
 * The one error type for what the world does to us. `code` is stable and is what callers match on; `message` is one
 * sentence for a person, which says what happened and what to do next; `cause` keeps the original.
 */
export class KelpieError extends Error {
  readonly code: ErrorCode;
  readonly data: ErrorData;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown; data?: ErrorData }) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'KelpieError';
    this.code = code;
    this.data = options?.data ?? {};
  }
}

/** True when `error` is a `KelpieError`, with one of `codes` if any are given. */
export function isKelpieError(error: unknown, ...codes: readonly ErrorCode[]): error is KelpieError {
  return error instanceof KelpieError && (codes.length === 0 || codes.includes(error.code));
}

/** A thrown value as an `Error`, for `cause` and logs. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

/**
 * The same failure, told as a `KelpieError`: one that already is passes unchanged, so that the first, most exact
 * sentence reaches the user.
 */
export function asKelpieError(thrown: unknown, code: ErrorCode, message: string): KelpieError {
  return thrown instanceof KelpieError ? thrown : new KelpieError(code, message, { cause: thrown });
}
