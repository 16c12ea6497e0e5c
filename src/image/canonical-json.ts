/**
 * One text for one value: no white space, members sorted by their UTF-16 code units, integers only. A small part of
 * RFC 8785, enough for descriptions whose digest is their name.
 */
import { assert } from '../base/assert.ts';

/** @throws AssertionFailed for what has no one text: fractions, `undefined`, functions. */
export function canonicalJson(value: unknown): string {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'number') {
    assert(Number.isSafeInteger(value), `${value} has no canonical form`);
    return String(value);
  }
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  assert(typeof value === 'object', `a ${typeof value} has no canonical form`);
  const members = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member)}`).join(',')}}`;
}
