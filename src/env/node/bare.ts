import type { Bytes } from '../../base/bytes.ts';

/** The same bytes without the methods of Node's own class: its `slice` shares memory, and it is not deeply equal to an array of the same bytes. */
export function bare({ buffer, byteOffset, byteLength }: Bytes): Bytes {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
