import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { isUuid, readUuid, UUID_BYTES, writeUuid } from './uuid.ts';

test('text and bytes of a UUID are each other', () => {
  const into = new Uint8Array(UUID_BYTES + 2);
  writeUuid('00112233-4455-6677-8899-aabbccddeeff', into, 1);
  assert.deepEqual([...into.subarray(0, 3)], [0, 0, 0x11]);
  assert.equal(into[16], 0xff);
  fc.assert(
    fc.property(fc.uuid(), (uuid) => {
      writeUuid(uuid, into, 2);
      return readUuid(into, 2) === uuid && isUuid(uuid);
    }),
  );
});

test('only one spelling is a UUID', () => {
  for (const text of [
    '',
    '../..',
    '00112233-4455-6677-8899-AABBCCDDEEFF',
    '00112233445566778899aabbccddeeff',
  ]) {
    assert.ok(!isUuid(text));
    assert.throws(() => writeUuid(text, new Uint8Array(16), 0), { name: 'AssertionFailed' });
  }
  assert.ok(!isUuid('00112233-4455-6677-8899-aabbccddeeff\n'));
  assert.throws(() => readUuid(new Uint8Array(16), 1), { name: 'AssertionFailed' });
});
