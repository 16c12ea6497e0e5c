import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ErrorCode } from '../../base/error-codes.ts';
import { isKelpieError } from '../../base/errors.ts';
import { createNodeEnv } from '../../env/node/env.ts';
import { createKeyHolder } from '../../../test/support/sample-keys.ts';
import { createDataKey } from './data-keys.ts';
import { openStoreKeys, sealStoreKeys } from './keys-document.ts';
import type { KeysDocument } from './keys-document.ts';
import { DATA_KEYS_MAX } from './limits.ts';
import { createSigningKey } from './signatures.ts';
import { createStoreKeys, newestKey, rotated, withoutRecipient, withRecipient } from './store-keys.ts';
import type { StoreKeys } from './store-keys.ts';

const env = createNodeEnv();
const [alice, bob, eve] = [
  await createKeyHolder(env),
  await createKeyHolder(env),
  await createKeyHolder(env),
];
const signer = createSigningKey(env);

async function open(
  document: unknown,
  identities: readonly string[] = [alice.identity],
  trusted: readonly string[] | null = null,
): Promise<StoreKeys> {
  const list = trusted === null ? null : new Set(trusted);
  return await openStoreKeys(env, document, { url: 's3://bucket/team', identities, trusted: list });
}

async function refused(code: ErrorCode, reason: RegExp, act: Promise<unknown>): Promise<void> {
  await assert.rejects(act, (error) => {
    assert.ok(isKelpieError(error, code), String(error));
    assert.match(error.message, reason);
    return true;
  });
}

describe('the keys of a store', () => {
  it('are opened by each recipient, and by nobody else', async () => {
    const keys = createStoreKeys(env, [alice.recipient, bob.recipient, alice.recipient]);
    assert.deepEqual(keys.recipients, [alice.recipient, bob.recipient]);
    const document: unknown = JSON.parse(JSON.stringify(await sealStoreKeys(env, keys, null)));
    assert.deepEqual(await open(document), keys);
    assert.deepEqual(await open(document, [eve.identity, bob.identity]), keys);
    await refused(
      'permission_denied',
      /s3:\/\/bucket\/team is encrypted for others/,
      open(document, [eve.identity]),
    );
    await refused('permission_denied', /this host has no key/, open(document, []));
    await refused('invalid_argument', /identities.txt/, open(document, ['AGE-SECRET-KEY-1']));
  });

  it('are wrapped anew for those who come, and not for those who go', async () => {
    const keys = createStoreKeys(env, [alice.recipient]);
    const both = withRecipient(keys, bob.recipient);
    assert.deepEqual(await open(await sealStoreKeys(env, both, null), [bob.identity]), both);
    assert.equal(withRecipient(both, bob.recipient), both);
    const one = withoutRecipient(both, alice.recipient);
    const document = await sealStoreKeys(env, one, null);
    await refused('permission_denied', /for others/, open(document));
    assert.deepEqual((await open(document, [bob.identity])).dataKeys, keys.dataKeys);
    assert.throws(
      () => withoutRecipient(one, bob.recipient),
      (error) => isKelpieError(error, 'invalid_argument'),
    );
    assert.throws(
      () => withoutRecipient(one, eve.recipient),
      (error) => isKelpieError(error, 'not_found'),
    );
    assert.deepEqual([keys.revision, both.revision, one.revision], [0, 1, 2]);
  });

  it('are rotated by one more key, and keep the old ones', async () => {
    const keys = createStoreKeys(env, [alice.recipient]);
    const after = rotated(env, keys);
    assert.deepEqual(after.dataKeys.slice(0, 1), keys.dataKeys);
    assert.notEqual(newestKey(after).id, newestKey(keys).id);
    assert.deepEqual(await open(await sealStoreKeys(env, after, null)), after);
    const dataKeys = Array.from({ length: DATA_KEYS_MAX }, () => createDataKey(env));
    const full = { ...keys, dataKeys };
    assert.deepEqual(await open(await sealStoreKeys(env, full, null)), full);
    assert.throws(
      () => rotated(env, full),
      (error) => isKelpieError(error, 'limit_exceeded'),
    );
  });

  it('need recipients that are such', async () => {
    for (const bad of [[], Array.from({ length: 65 }, (_, index) => `age1${index}`)])
      assert.throws(
        () => createStoreKeys(env, bad),
        (error) => isKelpieError(error, 'invalid_argument'),
      );
    const typing = createStoreKeys(env, [alice.recipient.slice(0, -1)]);
    await refused('invalid_argument', /not a public key of age/, sealStoreKeys(env, typing, null));
  });
});

describe('a document of keys that is not trusted', () => {
  const keys = rotated(env, createStoreKeys(env, [alice.recipient, bob.recipient]));

  it('is refused when anything in it was changed', async () => {
    const sound = await sealStoreKeys(env, keys, null);
    const flip = (text: string, index: number): string =>
      text.slice(0, index) + (text.charAt(index) === '0' ? '1' : '0') + text.slice(index + 1);
    const changes: readonly Partial<Record<keyof KeysDocument | 'more', unknown>>[] = [
      { recipients: [...sound.recipients, eve.recipient] },
      { recipients: sound.recipients.toReversed() },
      { recipients: [] },
      { recipients: [alice.recipient, alice.recipient] },
      { revision: sound.revision + 1 },
      { revision: -1 },
      { keyIds: sound.keyIds.slice(1) },
      { keyIds: sound.keyIds.toReversed() },
      { keyIds: ['0000000000000000', ...sound.keyIds.slice(1)] },
      { keyIds: [] },
      { tag: flip(sound.tag, 5) },
      { tag: '' },
      { wrapped: sound.wrapped.slice(2) },
      { wrapped: '' },
      { wrapped: 'xy' },
      { more: 1 },
    ];
    for (const change of changes)
      await refused('package_corrupt', /cannot be used/, open({ ...sound, ...change }));
    for (const document of [null, [], 'keys', 7, {}])
      await refused('package_corrupt', /its keys are damaged/, open(document));
    // Everywhere in the age file. In its header the own stanza may be hit, which makes it a file for others.
    for (let index = 0; index < sound.wrapped.length; index += 23) {
      const call = open({ ...sound, wrapped: flip(sound.wrapped, index) });
      await assert.rejects(call, (error) => isKelpieError(error, 'package_corrupt', 'permission_denied'));
    }
  });

  it('with keys of somebody else under the old names is refused', async () => {
    const sound = await sealStoreKeys(env, keys, null);
    const forged = await sealStoreKeys(
      env,
      { ...keys, dataKeys: [createDataKey(env), createDataKey(env)] },
      null,
    );
    const { keyIds } = sound;
    await refused('package_corrupt', /does not have them/, open({ ...forged, keyIds }));
    // Who knew the first key only adds one, and a recipient of their own.
    const [first] = keys.dataKeys;
    assert.ok(first !== undefined);
    const former = await sealStoreKeys(env, { ...keys, dataKeys: [first, createDataKey(env)] }, null);
    await refused('package_corrupt', /does not have them/, open({ ...former, keyIds }));
  });

  it('is held to the list of whom this host trusts', async () => {
    const signed = await sealStoreKeys(env, keys, signer);
    assert.deepEqual(await open(signed, [bob.identity], [signer.publicKey]), keys);
    assert.deepEqual(await open(signed), keys);
    const unsigned = await sealStoreKeys(env, keys, null);
    await refused('permission_denied', /is not signed/, open(unsigned, [alice.identity], [signer.publicKey]));
    const other = createSigningKey(env);
    await refused('permission_denied', /does not trust/, open(signed, [alice.identity], [other.publicKey]));
    const { signature, ...rest } = signed;
    const moved = { ...(await sealStoreKeys(env, keys, null)), signature };
    await refused('package_corrupt', /signature is not right/, open(moved));
    await refused('permission_denied', /is not signed/, open(rest, [alice.identity], [signer.publicKey]));
  });
});
