/** Bounds of object stores. Services allow more; these keep memory and retries small. */
import { KIB, MIB, MINUTE_MS, SECOND_MS } from '../../base/units.ts';

/** Longest key, in bytes (S3 allows 1024, a prefix included). */
export const KEY_BYTES_MAX = 512;
/** Longest part of a key between slashes: with what a directory adds to it, it fits a file name. */
export const KEY_SEGMENT_BYTES_MAX = 200;
/** Largest body of one `put` or part, and largest answer of one `get`: each is held in memory while it is under way. */
export const OBJECT_BODY_BYTES_MAX: number = 64 * MIB;
/** Largest object that `putIfMatch` writes or replaces: it is for records. */
export const RECORD_BYTES_MAX: number = MIB;
/** Smallest part but the last, by S3's rule. */
export const PART_BYTES_MIN: number = 5 * MIB;
export const PARTS_MAX = 10_000;
/** Most entries of one page of a listing. */
export const LIST_PAGE_MAX = 1000;
/** Longest ETag or upload id that is taken from a service. */
export const TAG_LENGTH_MAX = 1024;

/** The answer to a request begins within this time, and ends within it again; a second more for each `REQUEST_BYTES_PER_S_MIN` that is sent or may come. */
export const REQUEST_MS_MAX: number = 30 * SECOND_MS;
export const REQUEST_BYTES_PER_S_MIN: number = 128 * KIB;
/** Largest error document, and largest other document, that is read from a service. */
export const ERROR_BYTES_MAX: number = 64 * KIB;
export const DOCUMENT_BYTES_MAX: number = 4 * MIB;

/** Tries of one act, the first included, and the time after which no other begins. */
export const ATTEMPTS_MAX = 8;
export const ATTEMPTS_MS_MAX: number = 2 * MINUTE_MS;
/** Back-off before try n + 1 is drawn from 0 to the smaller of `BACKOFF_BASE_MS` × 2^n and this. */
export const BACKOFF_BASE_MS = 100;
export const BACKOFF_MS_MAX: number = 10 * SECOND_MS;

/** Requests under way to one store, and those waiting for their turn. */
export const REQUESTS_AT_ONCE_DEFAULT = 8;
export const REQUESTS_WAITING_MAX = 10_000;
