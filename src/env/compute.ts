import type { Bytes } from '../base/bytes.ts';

/** A running SHA-256. */
export interface Hasher {
  update(bytes: Bytes): void;
  /** Lower-case hexadecimal; the hasher is spent. */
  digest(): string;
}

/** Work for the processor that production may offload; the results are pure functions of the arguments. */
export interface Compute {
  /** SHA-256 in lower-case hexadecimal. */
  sha256(bytes: Bytes): string;
  sha256Hasher(): Hasher;
  /** True when every byte is zero. */
  isZero(bytes: Bytes): boolean;
  /** True when both have the same bytes. */
  isEqual(a: Bytes, b: Bytes): boolean;
  /** CRC-32 (IEEE 802.3) of bytes, continued from `seed`. */
  crc32(bytes: Bytes, seed?: number): number;
}
