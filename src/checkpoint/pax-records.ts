/** Records of a pax header: `LENGTH KEY=VALUE` and a newline, where the length counts the whole record (POSIX.1-2001, pax interchange format). */
import { concat } from '../base/bytes.ts';
import type { Bytes } from '../base/bytes.ts';
import { byteText, textBytes } from './byte-text.ts';

const NEWLINE = 0x0a;
const LENGTH_DIGITS_MAX = 10;

/** Null for what are no such records. */
export function parsePaxRecords(bytes: Bytes): ReadonlyMap<string, string> | null {
  const records = new Map<string, string>();
  for (let start = 0; start < bytes.byteLength;) {
    const digits = /^([1-9]\d*) /.exec(byteText(bytes.subarray(start, start + LENGTH_DIGITS_MAX)));
    const length = Number(digits?.[1] ?? 0);
    const end = start + length;
    if (digits === null || end > bytes.byteLength || bytes[end - 1] !== NEWLINE) return null;
    const record = byteText(bytes.subarray(start + digits[0].length, end - 1));
    const equals = record.indexOf('=');
    if (equals < 1) return null;
    records.set(record.slice(0, equals), record.slice(equals + 1));
    start = end;
  }
  return records;
}

export function encodePaxRecords(records: Iterable<readonly [key: string, value: string]>): Bytes {
  return concat(Array.from(records, ([key, value]) => encodeRecord(` ${key}=${value}\n`)));
}

/** The length counts its own digits. */
function encodeRecord(rest: string): Bytes {
  let length = rest.length + 1;
  while (rest.length + String(length).length > length) length += 1;
  return textBytes(`${length}${rest}`);
}
