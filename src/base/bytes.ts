/** Bytes we own. Node's `Buffer` is one; nothing outside `env/node` relies on more than `Uint8Array`. */
export type Bytes = Uint8Array;

/** Smaller buffers may be one of those that Node shares out in parts. */
const FREED_BYTES_MIN = 128 * 1024;

const encoder = new TextEncoder();
// A byte order mark is text like any other: dropping it would change what is written back.
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const lossyDecoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** UTF-8 bytes of a string. */
export function utf8(text: string): Bytes {
  return encoder.encode(text);
}

/** The string of UTF-8 bytes. @throws TypeError when they are not UTF-8. */
export function fromUtf8(bytes: Bytes): string {
  return decoder.decode(bytes);
}

/** The string of bytes that need not be UTF-8, for people to read (console output, a tool's error text). */
export function fromUtf8Lossy(bytes: Bytes): string {
  return lossyDecoder.decode(bytes);
}

/** One array with the bytes of all parts. */
export function concat(parts: readonly Bytes[]): Bytes {
  let length = 0;
  for (const part of parts) length += part.byteLength;
  const joined = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.byteLength;
  }
  return joined;
}

/** All bytes of a stream. A longer one is left at the chunk that is too much. @throws `tooLong` for more than `bytesMax`. */
export async function collectBytes(
  chunks: AsyncIterable<Bytes>,
  bytesMax: number,
  tooLong: () => Error,
): Promise<Bytes> {
  const parts: Bytes[] = [];
  let length = 0;
  for await (const part of chunks) {
    length += part.byteLength;
    if (length > bytesMax) throw tooLong();
    parts.push(part);
  }
  return concat(parts);
}

const hexOfByte: readonly string[] = Array.from({ length: 256 }, (_, byte) =>
  byte.toString(16).padStart(2, '0'),
);

/** Lower-case hexadecimal. */
export function hex(bytes: Bytes): string {
  let text = '';
  for (const byte of bytes) text += hexOfByte[byte] ?? '';
  return text;
}

/** The bytes of hexadecimal digits, of which the caller knows that they are: two for each byte. */
export function fromHex(digits: string): Bytes {
  const bytes = new Uint8Array(digits.length / 2);
  for (let index = 0; index < bytes.length; index += 1) {
    bytes[index] = 16 * digitAt(digits, 2 * index) + digitAt(digits, 2 * index + 1);
  }
  return bytes;
}

/** A map has thousands of digests: `parseInt` of slices takes ten times as long. */
function digitAt(digits: string, index: number): number {
  const code = digits.charCodeAt(index);
  // `0` is 48; `A` and `a` differ in one bit, and `a` is 97.
  return code < 65 ? code - 48 : (code | 32) - 87;
}

/** True when both have the same bytes. */
export function equalBytes(a: Bytes, b: Bytes): boolean {
  if (a.byteLength !== b.byteLength) return false;
  // Not `every`: a call for each byte takes ten times as long.
  for (let index = 0; index < a.byteLength; index += 1) if (a[index] !== b[index]) return false;
  return true;
}

/** The same bytes in a buffer that nobody else has. An array that is the whole of its buffer is empty afterwards; others are copied. */
export function takeOver(bytes: Bytes): Uint8Array<ArrayBuffer> {
  const { buffer } = bytes;
  const isWhole = buffer instanceof ArrayBuffer && buffer.byteLength === bytes.byteLength;
  return new Uint8Array(isWhole ? buffer.transfer() : bytes);
}

/**
 * Gives the memory of a large array back now; the array and all that share its buffer are empty afterwards. For loops over large
 * buffers only: the collector comes tens of megabytes late to them.
 */
export function freeBytes({ buffer }: Bytes): void {
  if (buffer.byteLength >= FREED_BYTES_MIN && buffer instanceof ArrayBuffer) buffer.transfer(0);
}

/** A view for little-endian fields over the same memory. */
export function viewOf(bytes: Bytes): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
