import assert from 'node:assert/strict';
import { test } from 'node:test';
import { splitAtDetachKeys } from './detach-keys.ts';
import { utf8 } from '../base/bytes.ts';

await test('keys pass', () => {
  assert.deepEqual(splitAtDetachKeys(utf8('ls\r'), false), {
    bytes: utf8('ls\r'),
    isDetach: false,
    isPrefixHeld: false,
  });
});

await test('Ctrl-P Ctrl-Q lets go, in one chunk and across two', () => {
  const whole = splitAtDetachKeys(utf8('ab\u0010\u0011cd'), false);
  assert.deepEqual([whole.bytes, whole.isDetach], [utf8('ab'), true]);
  const first = splitAtDetachKeys(utf8('ab\u0010'), false);
  assert.deepEqual(first, { bytes: utf8('ab'), isDetach: false, isPrefixHeld: true });
  assert.equal(splitAtDetachKeys(utf8('\u0011'), first.isPrefixHeld).isDetach, true);
});

await test('a held Ctrl-P goes on when another key follows', () => {
  assert.deepEqual(splitAtDetachKeys(utf8('x'), true), {
    bytes: utf8('\u0010x'),
    isDetach: false,
    isPrefixHeld: false,
  });
});
