import assert from 'node:assert/strict';
import test from 'node:test';
import { SystemError } from '../system-error.ts';
import { attempt, toSystemError } from './system-errors.ts';

const translations = [
  [{ code: 'ENOSPC' }, 'ENOSPC'],
  [{ code: 'EAI_AGAIN' }, 'EAI_AGAIN'],
  [{ code: 'Unknown system error -122', errno: -122 }, process.platform === 'linux' ? 'EDQUOT' : 'EIO'],
  [{ code: 'Unknown system error -9999', errno: -9999 }, 'EIO'],
  [{ code: 'ERR_STREAM_DESTROYED' }, 'EPIPE'],
  [{ code: 'HPE_INVALID_CONSTANT' }, 'EPROTO'],
  [{ code: 'CERT_HAS_EXPIRED' }, 'EPROTO'],
  [{ code: 'DEPTH_ZERO_SELF_SIGNED_CERT' }, 'EPROTO'],
  [{ code: 'ERR_SSL_WRONG_VERSION_NUMBER' }, 'EPROTO'],
] as const;

for (const [fields, errno] of translations) {
  test(`Node's ${fields.code} is told as ${errno}`, () => {
    const thrown = Object.assign(new Error('from Node'), fields);
    const error = toSystemError(thrown, 'open', '/a');
    assert.ok(error instanceof SystemError);
    assert.deepEqual([error.errno, error.message, error.cause], [errno, `open /a: ${errno}`, thrown]);
  });
}

test('what is not a refusal of the system passes as it is', async () => {
  const mistake = Object.assign(new TypeError('not a number'), { code: 'ERR_INVALID_ARG_TYPE' });
  assert.equal(toSystemError(mistake, 'open', '/a'), mistake);
  const own = new SystemError('EIO', 'read', '/b');
  await assert.rejects(
    attempt('open', '/a', async () => {
      throw own;
    }),
    own,
  );
});

test('a path with a zero byte is refused as one', async () => {
  const { stat } = await import('node:fs/promises');
  await assert.rejects(
    attempt('stat', 'a', async () => await stat('/a\0b')),
    { errno: 'EINVAL' },
  );
});
