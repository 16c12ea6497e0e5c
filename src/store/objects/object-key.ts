import { KelpieError } from '../../base/errors.ts';
import { KEY_BYTES_MAX, KEY_SEGMENT_BYTES_MAX } from './limits.ts';

const segmentPattern = /^[a-z0-9][a-z0-9._-]*$/;

/**
 * True for a key: parts of lower-case ASCII letters, digits, `.`, `_` and `-` that begin with a letter or digit, with one `/`
 * between two of them. So there is no `..`, no leading or trailing slash, nothing that a URL would escape, and nothing that
 * two kinds of file system would spell or order differently.
 */
export function isObjectKey(text: string): boolean {
  if (text.length > KEY_BYTES_MAX) return false;
  return text
    .split('/')
    .every((segment) => segment.length <= KEY_SEGMENT_BYTES_MAX && segmentPattern.test(segment));
}

/** @throws KelpieError `invalid_argument`: keys may come from a manifest that somebody else wrote. */
export function requireKey(key: string): void {
  if (isObjectKey(key)) return;
  throw new KelpieError(
    'invalid_argument',
    `${JSON.stringify(key.slice(0, KEY_BYTES_MAX))} is no key of an object.`,
  );
}

/** A prefix is the beginning of a key, or empty. @throws KelpieError `invalid_argument`. */
export function requirePrefix(prefix: string): void {
  // Whatever it ends with, one more letter makes a key of it.
  if (prefix !== '') requireKey(`${prefix}a`);
}
