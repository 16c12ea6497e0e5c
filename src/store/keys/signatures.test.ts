import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { utf8 } from '../../base/bytes.ts';
import type { ErrorCode } from '../../base/error-codes.ts';
import { isKelpieError } from '../../base/errors.ts';
import { createNodeEnv } from '../../env/node/env.ts';
import { checkSignature, createSigningKey, parsePublicKey, sign } from './signatures.ts';
import type { Signature, SignedKind } from './signatures.ts';

const env = createNodeEnv();
const { compute } = env;
const [alice, eve] = [createSigningKey(env), createSigningKey(env)];
const message = utf8('the manifest');
const signature = sign(compute, alice, 'manifest', message);

function check(
  signed: Signature | null,
  trusted: readonly string[] | null,
  text = message,
  kind: SignedKind = 'manifest',
): string | null {
  const list = trusted === null ? null : new Set(trusted);
  return checkSignature(compute, { trusted: list, kind, what: 'the package' }, text, signed);
}

function refused(code: ErrorCode, reason: RegExp, act: () => unknown): void {
  assert.throws(act, (error) => isKelpieError(error, code) && reason.test(error.message));
}

test('a signature tells who signed, with a list and without', () => {
  assert.equal(check(signature, null), alice.publicKey);
  assert.equal(check(signature, [eve.publicKey, alice.publicKey]), alice.publicKey);
  assert.equal(check(null, null), null);
  assert.match(alice.publicKey, /^ed25519:[0-9a-f]{64}$/);
});

test('a host with a list refuses what nobody on it has signed', () => {
  refused('permission_denied', /is not signed/, () => check(null, [alice.publicKey]));
  refused('permission_denied', /is not signed/, () => check(null, []));
  refused('permission_denied', new RegExp(alice.publicKey), () => check(signature, [eve.publicKey]));
  refused('permission_denied', new RegExp(alice.publicKey), () => check(signature, []));
});

test('a signature of something else, or of another kind, is refused by everybody', () => {
  for (const trusted of [null, [alice.publicKey]]) {
    refused('package_corrupt', /signature/, () => check(signature, trusted, utf8('another manifest')));
    refused('package_corrupt', /signature/, () => check(signature, trusted, message, 'store keys'));
    refused('package_corrupt', /signature/, () => check({ ...signature, publicKey: eve.publicKey }, trusted));
    for (const value of ['', 'ab', `${signature.value}00`, signature.value.toUpperCase()])
      refused('package_corrupt', /signature/, () => check({ ...signature, value }, trusted));
  }
  fc.assert(
    fc.property(fc.nat(127), fc.integer({ min: 1, max: 15 }), (index, change) => {
      const digit = (Number.parseInt(signature.value.charAt(index), 16) ^ change).toString(16);
      const value = `${signature.value.slice(0, index)}${digit}${signature.value.slice(index + 1)}`;
      refused('package_corrupt', /signature/, () => check({ ...signature, value }, null));
    }),
  );
});

test('a public key has one spelling', () => {
  assert.equal(parsePublicKey(alice.publicKey)?.byteLength, 32);
  const { publicKey } = alice;
  for (const bad of [
    '',
    'ed25519:',
    publicKey.slice(8),
    `${publicKey}0`,
    `${publicKey} `,
    publicKey.toUpperCase(),
  ])
    assert.equal(parsePublicKey(bad), null);
});
