import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { crc64 } from './crc64.ts';
import { describeStateFile, encodeStateFile, readStateFile, StateFileError } from './state-file.ts';

const format = { major: 10, minor: 0, patch: 0 };
const deviceState = Uint8Array.from({ length: 200 }, (_, index) => index);
let folder = '';
let path = '';

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'state-file-'));
  path = join(folder, 'state');
});
after(() => rmSync(folder, { recursive: true }));

test('the sum is that of Jones', () => {
  assert.equal(crc64(Buffer.from('123456789')), 0xe9c6_d914_c4b8_d9can);
});

test('what was written is read back', () => {
  writeFileSync(path, encodeStateFile(format, { a: [1, 2] }, deviceState));
  const { version, configuration, deviceStateOffset } = readStateFile(path, format);
  assert.deepEqual(version, format);
  assert.deepEqual(configuration, { a: [1, 2] });
  const bytes = readFileSync(path).subarray(deviceStateOffset, -8);
  assert.deepEqual(new Uint8Array(bytes), deviceState);
  assert.equal(describeStateFile(path, format), 'v10.0.0');
});

test('every flipped bit, and every cut, is noticed', () => {
  const whole = encodeStateFile(format, { a: 1 }, deviceState);
  for (let index = 0; index < whole.byteLength; index += 1) {
    const damaged = Buffer.from(whole);
    damaged[index] = (damaged[index] ?? 0) ^ (1 << (index % 8));
    writeFileSync(path, damaged);
    assert.throws(() => readStateFile(path, format), StateFileError, `byte ${index}`);
    writeFileSync(path, whole.subarray(0, index));
    assert.throws(() => readStateFile(path, format), StateFileError, `${index} bytes`);
  }
});

test('another major version and a newer minor one are refused, an older minor one is not', () => {
  const at = (major: number, minor: number): void =>
    writeFileSync(path, encodeStateFile({ major, minor, patch: 0 }, {}, deviceState));
  const supported = { major: 10, minor: 1, patch: 0 };
  at(9, 0);
  assert.throws(() => readStateFile(path, supported), /Invalid data version: 9.0.0/);
  at(10, 2);
  assert.throws(() => readStateFile(path, supported), /Invalid data version: 10.2.0/);
  at(10, 0);
  assert.equal(readStateFile(path, supported).version.minor, 0);
});
