import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromUtf8, utf8 } from '../../base/bytes.ts';
import { encodeCpio } from './cpio-writer.ts';

test("a cpio archive has the kernel's layout", () => {
  const bytes = encodeCpio([
    { kind: 'directory', path: 'dev', mode: 0o755 },
    { kind: 'character', path: 'dev/console', mode: 0o600, device: [5, 1] },
    { kind: 'file', path: 'init', mode: 0o755, content: utf8('12345') },
  ]);
  const text = fromUtf8(bytes);
  const field = (start: number, index: number): number =>
    Number.parseInt(text.slice(start + 6 + index * 8, start + 14 + index * 8), 16);
  const starts = [...text.matchAll(/070701/g)].map((match) => match.index);
  assert.equal(starts.length, 4);
  assert.ok(
    starts.every((start) => start % 4 === 0) && bytes.byteLength % 4 === 0,
    'everything is aligned to four bytes',
  );
  const [directory = 0, console_ = 0, init = 0, trailer = 0] = starts;
  assert.equal(field(directory, 1), 0o040755);
  assert.deepEqual([field(console_, 1), field(console_, 9), field(console_, 10)], [0o020600, 5, 1]);
  assert.deepEqual([field(init, 1), field(init, 6), field(init, 11)], [0o100755, 5, 5]);
  assert.ok(text.slice(init).includes('init\0') && text.slice(init).includes('12345'));
  assert.ok(text.slice(trailer).includes('TRAILER!!!'));
});
