/** CRC-64 of Jones, as at the end of Firecracker's state files: over a file and its own sum it is 0. */

const POLYNOMIAL = 0x95ac_9329_ac4b_c9b5n;

/** Two halves of each entry, since 64-bit arithmetic on numbers is in halves. */
const low = new Uint32Array(256);
const high = new Uint32Array(256);
for (let byte = 0; byte < 256; byte += 1) {
  let entry = BigInt(byte);
  for (let bit = 0; bit < 8; bit += 1) entry = (entry & 1n) === 1n ? (entry >> 1n) ^ POLYNOMIAL : entry >> 1n;
  low[byte] = Number(entry & 0xffff_ffffn);
  high[byte] = Number(entry >> 32n);
}

export function crc64(bytes: Uint8Array): bigint {
  let lower = 0;
  let upper = 0;
  for (const byte of bytes) {
    const index = (lower ^ byte) & 0xff;
    const shifted = (lower >>> 8) | ((upper & 0xff) << 24);
    lower = shifted ^ (low[index] ?? 0);
    upper = (upper >>> 8) ^ (high[index] ?? 0);
  }
  return (BigInt(upper >>> 0) << 32n) | BigInt(lower >>> 0);
}
