import { hex } from '../base/bytes.ts';
import type { Bytes } from '../base/bytes.ts';

/** A version 4 UUID of 16 random bytes. */
export function uuidFromBytes(random: Bytes): string {
  const bytes = random.slice();
  bytes.set([((random[6] ?? 0) & 0x0f) | 0x40], 6);
  bytes.set([((random[8] ?? 0) & 0x3f) | 0x80], 8);
  const digits = hex(bytes);
  return [
    digits.slice(0, 8),
    digits.slice(8, 12),
    digits.slice(12, 16),
    digits.slice(16, 20),
    digits.slice(20),
  ].join('-');
}
