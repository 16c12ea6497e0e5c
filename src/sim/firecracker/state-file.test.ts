import assert from 'node:assert/strict';
import { test } from 'node:test';
import { utf8 } from '../../base/bytes.ts';
import { crc64 } from './crc64.ts';
import {
  describeStateFile,
  deviceStateIn,
  encodeStateFile,
  parseStateFile,
  StateFileError,
} from './state-file.ts';

const format = { major: 10, minor: 0, patch: 0 };
const deviceState = Uint8Array.from({ length: 200 }, (_, index) => index);

test('the sum is that of Jones', () => {
  assert.equal(crc64(utf8('123456789')), 0xe9c6_d914_c4b8_d9can);
});

test('what was written is read back', () => {
  const file = encodeStateFile(format, { a: [1, 2] }, deviceState);
  const { version, configuration, deviceStateOffset } = parseStateFile(file, format);
  assert.deepEqual(version, format);
  assert.deepEqual(configuration, { a: [1, 2] });
  assert.deepEqual(deviceStateIn(file, deviceStateOffset), deviceState);
  assert.equal(describeStateFile(file, format), 'v10.0.0');
});

test('every flipped bit, and every cut, is noticed', () => {
  const whole = encodeStateFile(format, { a: 1 }, deviceState);
  for (let index = 0; index < whole.byteLength; index += 1) {
    const damaged = whole.slice();
    damaged[index] = (damaged[index] ?? 0) ^ (1 << (index % 8));
    assert.throws(() => parseStateFile(damaged, format), StateFileError, `byte ${index}`);
    assert.throws(() => parseStateFile(whole.subarray(0, index), format), StateFileError, `${index} bytes`);
  }
});

test('another major version and a newer minor one are refused, an older minor one is not', () => {
  const supported = { major: 10, minor: 1, patch: 0 };
  const read = (major: number, minor: number): number => {
    const file = encodeStateFile({ major, minor, patch: 0 }, {}, deviceState);
    return parseStateFile(file, supported).version.minor;
  };
  assert.throws(() => read(9, 0), /Invalid data version: 9.0.0/);
  assert.throws(() => read(10, 2), /Invalid data version: 10.2.0/);
  assert.equal(read(10, 0), 0);
});
