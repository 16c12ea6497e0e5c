/**
 * One text for one value: no white space, members sorted by their UTF-16 code units, integers only. A small part of
 * RFC 8785, enough for documents whose digest is their name.
 */
import { assert } from './assert.ts';
import { isJsonObject } from './json.ts';

/** @throws AssertionFailed for what has no one text: fractions, `undefined`, functions. */
export function canonicalJson(value: unknown): string {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'number') {
    assert(Number.isSafeInteger(value), `${value} has no canonical form`);
    return String(value);
  }
  // Texts are added up, not joined: half the time for the small documents that these are.
  let text = '';
  if (Array.isArray(value)) {
    for (const item of value) text += `${text === '' ? '' : ','}${canonicalJson(item)}`;
    return `[${text}]`;
  }
  assert(isJsonObject(value), `a ${typeof value} has no canonical form`);
  for (const name of Object.keys(value).toSorted())
    text += `${text === '' ? '' : ','}${JSON.stringify(name)}:${canonicalJson(value[name])}`;
  return `{${text}}`;
}
