/**
 * MD5 (RFC 1321), for the one place that asks for it: dpkg's record of configuration files, by which it sees whether a
 * user has changed one. Nothing relies on it for safety.
 */
import { hex, viewOf } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';

const BLOCK_BYTES = 64;
const shifts = [7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21] as const;
const sines = Array.from(
  { length: 64 },
  (_, index) => Math.floor(Math.abs(Math.sin(index + 1)) * 2 ** 32) | 0,
);

/** Lower-case hexadecimal. */
export function md5(bytes: Bytes): string {
  const padded = new Uint8Array(Math.ceil((bytes.byteLength + 9) / BLOCK_BYTES) * BLOCK_BYTES);
  padded.set(bytes);
  padded[bytes.byteLength] = 0x80;
  const view = viewOf(padded);
  view.setBigUint64(padded.byteLength - 8, BigInt(bytes.byteLength) * 8n, true);
  let state: readonly [number, number, number, number] = [
    0x67452301,
    0xefcdab89 | 0,
    0x98badcfe | 0,
    0x10325476,
  ];
  for (let offset = 0; offset < padded.byteLength; offset += BLOCK_BYTES)
    state = mixBlock(state, view, offset);
  const digest = new Uint8Array(16);
  for (const [index, word] of state.entries()) viewOf(digest).setInt32(index * 4, word, true);
  return hex(digest);
}

function mixBlock(
  state: readonly [number, number, number, number],
  view: DataView,
  offset: number,
): readonly [number, number, number, number] {
  let [a, b, c, d] = state;
  for (let step = 0; step < 64; step += 1) {
    const round = step >> 4;
    const [mixed, word] = mixers[round]?.(b, c, d, step) ?? [0, 0];
    const sum = (a + mixed + (sines[step] ?? 0) + view.getInt32(offset + word * 4, true)) | 0;
    const shift = shifts[round * 4 + (step & 3)] ?? 0;
    [a, d, c, b] = [d, c, b, (b + ((sum << shift) | (sum >>> (32 - shift)))) | 0];
  }
  return [(state[0] + a) | 0, (state[1] + b) | 0, (state[2] + c) | 0, (state[3] + d) | 0];
}

/** Per round: the mixing function, and which word of the block a step takes. */
const mixers: readonly ((b: number, c: number, d: number, step: number) => readonly [number, number])[] = [
  (b, c, d, step) => [(b & c) | (~b & d), step],
  (b, c, d, step) => [(d & b) | (~d & c), (5 * step + 1) % 16],
  (b, c, d, step) => [b ^ c ^ d, (3 * step + 5) % 16],
  (b, c, d, step) => [c ^ (b | ~d), (7 * step) % 16],
];
