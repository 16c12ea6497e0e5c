import { concat, fromHex } from '../../../base/bytes.ts';
import type { Bytes } from '../../../base/bytes.ts';
import type { Compute } from '../../../env/compute.ts';

/** What SHA-256 works on at once. */
const BLOCK_BYTES = 64;

/** HMAC-SHA-256 (RFC 2104), for the few short strings of a signature. */
export function hmacSha256(compute: Pick<Compute, 'sha256'>, key: Bytes, message: Bytes): Bytes {
  const digest = (bytes: Bytes): Bytes => fromHex(compute.sha256(bytes));
  const block = new Uint8Array(BLOCK_BYTES);
  block.set(key.byteLength > BLOCK_BYTES ? digest(key) : key);
  const inner = digest(concat([block.map((byte) => byte ^ 0x36), message]));
  return digest(concat([block.map((byte) => byte ^ 0x5c), inner]));
}
