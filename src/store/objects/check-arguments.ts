/** What every implementation refuses in the same words before it does anything. */
import { assert } from '../../base/assert.ts';
import { KelpieError } from '../../base/errors.ts';
import { formatBytes } from '../../base/units.ts';
import {
  LIST_PAGE_MAX,
  OBJECT_BODY_BYTES_MAX,
  PARTS_MAX,
  PART_BYTES_MIN,
  RECORD_BYTES_MAX,
} from './limits.ts';
import { requireKey, requirePrefix } from './object-key.ts';
import type { GetOptions, ListOptions, Upload, UploadedPart } from './object-store.ts';

/** @throws KelpieError `invalid_argument`, `limit_exceeded`. */
export function checkPut(key: string, sizeBytes: number, sizeBytesMax: number = OBJECT_BODY_BYTES_MAX): void {
  requireKey(key);
  if (sizeBytes > sizeBytesMax) throw tooLarge(key, sizeBytes, sizeBytesMax);
}

export function checkRecord(key: string, sizeBytes: number): void {
  checkPut(key, sizeBytes, RECORD_BYTES_MAX);
}

export function checkGet(key: string, { range }: GetOptions): void {
  requireKey(key);
  if (range === undefined) return;
  assert(Number.isSafeInteger(range.offset) && range.offset >= 0, 'a range begins at a byte');
  assert(Number.isSafeInteger(range.length) && range.length > 0, 'a range has a byte');
  if (range.length > OBJECT_BODY_BYTES_MAX) throw tooLarge(key, range.length, OBJECT_BODY_BYTES_MAX);
}

/** @returns the page's bound. */
export function checkList({ prefix, after, limit = LIST_PAGE_MAX }: ListOptions): number {
  requirePrefix(prefix);
  if (after !== undefined) requireKey(after);
  assert(Number.isInteger(limit) && limit >= 1 && limit <= LIST_PAGE_MAX, 'a page has from 1 to its bound');
  return limit;
}

export function checkUpload(key: string, partBytes: number): void {
  requireKey(key);
  assert(
    partBytes >= PART_BYTES_MIN && partBytes <= OBJECT_BODY_BYTES_MAX,
    'the size of parts is within its bounds',
  );
}

export function checkPart({ key, partBytes }: Upload, number: number, sizeBytes: number): void {
  requireKey(key);
  assert(
    Number.isInteger(number) && number >= 1 && number <= PARTS_MAX,
    'a part has a number within its bounds',
  );
  assert(sizeBytes > 0 && sizeBytes <= partBytes, 'a part is not larger than was said');
}

/** @returns the size of the whole. */
export function checkParts({ partBytes }: Upload, parts: readonly UploadedPart[]): number {
  assert(parts.length > 0, 'an upload has a part');
  let sizeBytes = 0;
  for (const [index, part] of parts.entries()) {
    assert(part.number === index + 1, 'parts are numbered from 1 without a gap');
    assert(
      index === parts.length - 1 || part.sizeBytes === partBytes,
      'all parts but the last have one size',
    );
    sizeBytes += part.sizeBytes;
  }
  return sizeBytes;
}

export function tooLarge(key: string, sizeBytes: number, sizeBytesMax: number): KelpieError {
  const message = `${key} has ${formatBytes(sizeBytes)}, and one request carries at most ${formatBytes(sizeBytesMax)}.`;
  return new KelpieError('limit_exceeded', message);
}
