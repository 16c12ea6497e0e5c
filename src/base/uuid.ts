import { assert } from './assert.ts';
import { fromHex, hex } from './bytes.ts';
import type { Bytes } from './bytes.ts';

/** Length of a UUID's binary form (RFC 9562), in bytes. */
export const UUID_BYTES = 16;

/** A UUID in lower case, the only spelling that is used. */
export const UUID_PATTERN: RegExp = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** True for a UUID; such a string is safe as a file name. */
export function isUuid(text: string): boolean {
  return UUID_PATTERN.test(text);
}

/** Writes a UUID's 16 bytes into `into` at `offset`. */
export function writeUuid(uuid: string, into: Bytes, offset: number): void {
  assert(isUuid(uuid), 'what is written as a UUID is one');
  into.set(fromHex(uuid.replaceAll('-', '')), offset);
}

/** The UUID whose 16 bytes are at `offset`; any bytes are one. */
export function readUuid(from: Bytes, offset: number): string {
  assert(offset + UUID_BYTES <= from.byteLength, 'a UUID lies inside its bytes');
  const digits = hex(from.subarray(offset, offset + UUID_BYTES));
  return [
    [0, 8],
    [8, 12],
    [12, 16],
    [16, 20],
    [20, 32],
  ]
    .map(([start, end]) => digits.slice(start, end))
    .join('-');
}
