import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isUuid, readUuid, writeUuid } from './uuid.ts';

const uuid = '00112233-4455-4677-8899-aabbccddeeff';

test('a UUID has sixteen bytes, in the order of its text', () => {
  const bytes = new Uint8Array(20);
  writeUuid(uuid, bytes, 2);
  assert.deepEqual([...bytes.subarray(2, 8)], [0x00, 0x11, 0x22, 0x33, 0x44, 0x55]);
  assert.deepEqual([bytes[1], bytes[18]], [0, 0]);
  assert.equal(readUuid(bytes, 2), uuid);
  assert.throws(() => readUuid(bytes, 5));
  assert.throws(() => writeUuid('../..', bytes, 0));
});

test('one spelling is a UUID', () => {
  assert.ok(isUuid(uuid));
  for (const text of [
    '',
    uuid.toUpperCase(),
    `${uuid}0`,
    ` ${uuid}`,
    `${uuid}\n`,
    uuid.replaceAll('-', ''),
    `{${uuid}}`,
  ]) {
    assert.ok(!isUuid(text), JSON.stringify(text));
  }
});
