/** Bytes as text with one character for each: names of files need not be UTF-8, and documents hold text only. */
import { fromUtf8Lossy } from '../base/bytes.ts';
import type { Bytes } from '../base/bytes.ts';

const PIECE_BYTES = 4096;
/** What a field of a document may be: no character is above that of a byte. */
export const byteTextPattern: RegExp = /^[\0-\xff]*$/;

export function byteText(bytes: Bytes): string {
  let text = '';
  for (let start = 0; start < bytes.byteLength; start += PIECE_BYTES)
    text += String.fromCharCode(...bytes.subarray(start, start + PIECE_BYTES));
  return text;
}

/** The reverse; the text is of such characters alone. */
export function textBytes(text: string): Bytes {
  const bytes = new Uint8Array(text.length);
  for (let index = 0; index < text.length; index += 1) bytes[index] = text.charCodeAt(index);
  return bytes;
}

/** For people. */
export function readable(text: string): string {
  return fromUtf8Lossy(textBytes(text)).replaceAll(/\p{Cc}/gu, '?');
}
