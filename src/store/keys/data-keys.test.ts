import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { hex } from '../../base/bytes.ts';
import { isUuid } from '../../base/uuid.ts';
import { createNodeEnv } from '../../env/node/env.ts';
import {
  createDataKey,
  createSession,
  DATA_KEY_BYTES,
  dataKeyOf,
  documentKeyOf,
  keyOfSession,
  packKeyOf,
  tagOfKeys,
} from './data-keys.ts';

const env = createNodeEnv();
const { compute, random } = env;

test('derived keys are those of the format', () => {
  const key = dataKeyOf(compute, new Uint8Array(DATA_KEY_BYTES).fill(1));
  // Computed apart with Python's hmac.
  assert.deepEqual(
    [
      key.id,
      hex(packKeyOf(compute, key, '0e7cd5ae-0000-4000-8000-000000000001/3')),
      hex(documentKeyOf(compute, key, new Uint8Array(16).fill(2))),
      tagOfKeys(compute, [key, key], 'ab'),
    ],
    [
      '109c938edc84b5f3',
      '8e6db312646709f59ef69698b13bafac8f098a48d3c52f3324eef787375f123e',
      '0a11f54a24bdab552fe52cfc601554b838727b8960cf482f4f5d50745aba0ba8',
      'a05a0db842645702d6f7832819f66f223fc7f022e5864de3a452c359f7ae244f',
    ],
  );
});

test('keys of other packs, documents and stores are others', () => {
  const [one, other] = [createDataKey(env), createDataKey(env)];
  const derived = [one, other].flatMap((key) => [
    key.id,
    hex(key.bytes),
    ...['a/0', 'a/1', 'b/0'].map((pack) => hex(packKeyOf(compute, key, pack))),
    ...[1, 2].map((salt) => hex(documentKeyOf(compute, key, new Uint8Array(16).fill(salt)))),
    tagOfKeys(compute, [key], 'ab'),
    tagOfKeys(compute, [key], 'ac'),
  ]);
  assert.equal(new Set(derived).size, derived.length);
});

test('a session is a UUID that only its own key knows', () => {
  const keys = [createDataKey(env), createDataKey(env), createDataKey(env)];
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 }), (index) => {
      const key = keys[index];
      assert.ok(key !== undefined);
      const session = createSession(compute, key, random);
      assert.ok(isUuid(session));
      assert.equal(keyOfSession(compute, keys, session), key);
      assert.equal(keyOfSession(compute, [createDataKey(env)], session), null);
      assert.notEqual(session, createSession(compute, key, random));
    }),
  );
  assert.equal(keyOfSession(compute, keys, random.uuid()), null);
});
