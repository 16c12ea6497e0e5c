import type { Bytes } from '../../src/base/bytes.ts';

/** Bytes that differ from place to place, so that a shift is seen. */
export function samplePattern(length: number, seed: number): Bytes {
  const words = new Uint32Array(Math.ceil(length / 4));
  let word = seed;
  for (let index = 0; index < words.length; index += 1) {
    word = (Math.imul(word, 1_664_525) + 1_013_904_223) >>> 0;
    words[index] = word;
  }
  return new Uint8Array(words.buffer, 0, length);
}
