import assert from 'node:assert/strict';
import test from 'node:test';
import { formatBytes, formatDurationMs } from './units.ts';

const sizes = [
  [0, '0 B'],
  [1023, '1023 B'],
  [1024, '1 KiB'],
  [1536, '1.5 KiB'],
  [10_239, '10 KiB'],
  [123_456, '121 KiB'],
  [1_048_575, '1 MiB'],
  [512 * 1024 * 1024, '512 MiB'],
  [1.75 * 1024 ** 4, '1.75 TiB'],
  [5000 * 1024 ** 4, '5000 TiB'],
] as const;

const durations = [
  [0, '0 ms'],
  [0.4, '0 ms'],
  [850, '850 ms'],
  [999.4, '999 ms'],
  [999.6, '1 s'],
  [1500, '1.5 s'],
  [59_940, '59.9 s'],
  [59_960, '1 min 0 s'],
  [95_000, '1 min 35 s'],
  [119_600, '2 min 0 s'],
  [3_569_000, '59 min 29 s'],
  [3_570_000, '1 h 0 min'],
  [86_400_000, '24 h 0 min'],
] as const;

for (const [bytes, text] of sizes) {
  test(`${bytes} bytes read as ${text}`, () => assert.equal(formatBytes(bytes), text));
}

for (const [durationMs, text] of durations) {
  test(`${durationMs} milliseconds read as ${text}`, () => assert.equal(formatDurationMs(durationMs), text));
}
