import { KelpieError } from '../../base/errors.ts';
import type { ErrorCode } from '../../base/error-codes.ts';
import type { ErrorData } from '../../base/errors.ts';

/** What keeps a store from doing an act, in one word. */
export type TroubleKind =
  /** No connection, no answer in time, an answer that was cut, 5xx. */
  | 'unavailable'
  /** The service asks for fewer requests. */
  | 'throttled'
  /** The answer breaks the rules: wrong length, wrong range, no XML, a digest that differs. */
  | 'wrong_answer'
  /** Another change of the same object is under way. */
  | 'contended'
  /** The object has not the ETag any more that a `get` asked for. */
  | 'changed'
  | 'upload_missing'
  | 'bucket_missing'
  | 'wrong_region'
  | 'clock_skew'
  | 'no_credentials'
  | 'credentials_refused'
  | 'credentials_expired'
  | 'read_denied'
  | 'write_denied'
  | 'full'
  | 'unsupported'
  | 'refused';

interface Meaning {
  readonly code: ErrorCode;
  readonly isRetryable: boolean;
}

/** The stable code of the project, and whether trying the same again can help. */
const meanings: Readonly<Record<TroubleKind, Meaning>> = {
  unavailable: { code: 'store_unavailable', isRetryable: true },
  throttled: { code: 'store_unavailable', isRetryable: true },
  wrong_answer: { code: 'store_unavailable', isRetryable: true },
  contended: { code: 'store_conflict', isRetryable: true },
  changed: { code: 'store_conflict', isRetryable: false },
  upload_missing: { code: 'store_conflict', isRetryable: false },
  bucket_missing: { code: 'store_unavailable', isRetryable: false },
  wrong_region: { code: 'store_unavailable', isRetryable: false },
  clock_skew: { code: 'store_unavailable', isRetryable: false },
  no_credentials: { code: 'permission_denied', isRetryable: false },
  credentials_refused: { code: 'permission_denied', isRetryable: false },
  credentials_expired: { code: 'permission_denied', isRetryable: false },
  read_denied: { code: 'permission_denied', isRetryable: false },
  write_denied: { code: 'store_not_writable', isRetryable: false },
  full: { code: 'disk_full', isRetryable: false },
  unsupported: { code: 'store_unavailable', isRetryable: false },
  refused: { code: 'store_unavailable', isRetryable: false },
};

export interface TroubleOptions {
  /** True when a write may have been done, or may still be done, all the same; says nothing about a read. Default false. */
  readonly isOutcomeUnknown?: boolean;
  readonly cause?: unknown;
  readonly data?: ErrorData;
}

/** A failure of a store. */
export class StoreTrouble extends KelpieError {
  readonly kind: TroubleKind;
  readonly isOutcomeUnknown: boolean;

  constructor(kind: TroubleKind, sentence: string, options: TroubleOptions = {}) {
    super(meanings[kind].code, sentence, options);
    this.name = 'StoreTrouble';
    this.kind = kind;
    this.isOutcomeUnknown = options.isOutcomeUnknown ?? false;
  }

  get isRetryable(): boolean {
    return meanings[this.kind].isRetryable;
  }
}

/** True when `error` is a `StoreTrouble`, of one of `wanted` if any are given. */
export function isStoreTrouble(error: unknown, ...wanted: readonly TroubleKind[]): error is StoreTrouble {
  return error instanceof StoreTrouble && (wanted.length === 0 || wanted.includes(error.kind));
}
