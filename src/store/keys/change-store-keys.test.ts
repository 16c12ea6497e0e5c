import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import type { ErrorCode } from '../../base/error-codes.ts';
import { utf8 } from '../../base/bytes.ts';
import { isKelpieError } from '../../base/errors.ts';
import { createNodeEnv } from '../../env/node/env.ts';
import { MemoryObjects } from '../objects/memory/memory-objects.ts';
import { encodeStoreRoot, ensureStoreRoot, readStoreRoot, STORE_ROOT_KEY } from '../packages/store-root.ts';
import { changeStoreKeys, createEncryptedStore } from './change-store-keys.ts';
import { createIdentityFile, createSigningKeyFile } from './key-files.ts';
import { sealStoreKeys } from './keys-document.ts';
import { openPackageSealing } from './open-sealing.ts';
import { createStoreKeys, rotated, withoutRecipient, withRecipient } from './store-keys.ts';
import type { PackageSealing } from '../packages/sealing.ts';
import type { StoreKeysPlace } from './open-sealing.ts';

const env = createNodeEnv({ variables: {} });
const message = utf8('message');
let homes: string[] = [];
let objects = new MemoryObjects(env);

beforeEach(() => {
  objects = new MemoryObjects(env);
  homes = [];
});
afterEach(async () => {
  for (const home of homes) await rm(home, { recursive: true, force: true });
});

/** A host with an identity. */
async function host(): Promise<{ readonly home: string; readonly recipient: string }> {
  const home = await mkdtemp(join(tmpdir(), 'kelpie-'));
  homes.push(home);
  return { home, recipient: await createIdentityFile(env, home) };
}

function at(home: string): StoreKeysPlace {
  return { home, url: objects.url };
}

async function open(home: string): Promise<PackageSealing> {
  const root = await readStoreRoot(objects);
  return await openPackageSealing(env, at(home), root?.keys ?? null);
}

async function refused(code: ErrorCode, reason: RegExp, act: Promise<unknown>): Promise<void> {
  await assert.rejects(act, (error) => {
    assert.ok(isKelpieError(error, code), String(error));
    assert.match(error.message, reason);
    return true;
  });
}

test('a host that is let in reads what was sealed before, and one that is put out reads nothing new', async () => {
  const [ada, bob] = [await host(), await host()];
  await createEncryptedStore(env, objects, at(ada.home), [ada.recipient]);
  const sealed = (await open(ada.home)).seal(message, message);
  await refused('permission_denied', /encrypted for others/, open(bob.home));
  await changeStoreKeys(env, objects, at(ada.home), (keys) => withRecipient(keys, bob.recipient));
  assert.deepEqual((await open(bob.home)).open(sealed, message), message);
  await changeStoreKeys(env, objects, at(bob.home), (keys) =>
    rotated(env, withoutRecipient(keys, ada.recipient)),
  );
  await refused('permission_denied', /encrypted for others/, open(ada.home));
  assert.deepEqual((await open(bob.home)).open(sealed, message), message);
});

test('two who change the keys at once both get what they wanted', async () => {
  const [ada, bob, carol] = [await host(), await host(), await host()];
  await createEncryptedStore(env, objects, at(ada.home), [ada.recipient]);
  await Promise.all(
    [bob, carol].map(async ({ recipient }) =>
      changeStoreKeys(env, objects, at(ada.home), (keys) => withRecipient(keys, recipient)),
    ),
  );
  const keys = await changeStoreKeys(env, objects, at(ada.home), (same) => same);
  assert.deepEqual(new Set(keys.recipients), new Set([ada, bob, carol].map(({ recipient }) => recipient)));
  assert.equal(keys.revision, 2);
});

test('a store that is there is not made an encrypted one, and keys of a plain one are not changed', async () => {
  const { home, recipient } = await host();
  await ensureStoreRoot(env, objects, null);
  await refused('name_taken', /a plain one/, createEncryptedStore(env, objects, at(home), [recipient]));
  await refused(
    'invalid_state',
    /is a plain store/,
    changeStoreKeys(env, objects, at(home), (keys) => keys),
  );
  assert.equal((await open(home)).isEncrypted, false);
  objects = new MemoryObjects(env);
  await refused(
    'invalid_state',
    /there is no store/,
    changeStoreKeys(env, objects, at(home), (keys) => keys),
  );
  await createEncryptedStore(env, objects, at(home), [recipient]);
  await refused('name_taken', /an encrypted one/, createEncryptedStore(env, objects, at(home), [recipient]));
});

test('whoever puts another root there is found out', async () => {
  const [ada, eve] = [await host(), await host()];
  await createEncryptedStore(env, objects, at(ada.home), [ada.recipient]);
  const genuine = await readStoreRoot(objects);
  assert.ok(genuine !== null);
  await changeStoreKeys(env, objects, at(ada.home), (keys) => withRecipient(keys, eve.recipient));
  const { storeId } = genuine;
  const theirs = await sealStoreKeys(env, createStoreKeys(env, [ada.recipient, eve.recipient]), null);
  for (const [keys, reason] of [
    [null, /is not any more/],
    [{ ...theirs }, /other keys/],
    [genuine.keys, /older list of recipients/],
  ] as const) {
    await objects.put(STORE_ROOT_KEY, encodeStoreRoot({ storeId, keys }));
    await refused('permission_denied', reason, open(ada.home));
    await refused(
      'permission_denied',
      reason,
      changeStoreKeys(env, objects, at(ada.home), (same) => rotated(env, same)),
    );
  }
});

test('a host with a list takes keys from whom it trusts only', async () => {
  const [ada, bob] = [await host(), await host()];
  const { publicKey } = await createSigningKeyFile(env, ada.home);
  await createEncryptedStore(env, objects, at(ada.home), [ada.recipient, bob.recipient]);
  await writeFile(join(bob.home, 'keys/trusted.txt'), `${publicKey} Ada\n`);
  assert.equal((await open(bob.home)).isEncrypted, true);
  const signature = (await open(ada.home)).sign(message);
  assert.equal((await open(bob.home)).verify(message, signature), publicKey);
  // Keys that are as Bob would leave them: he does not sign, so whoever trusts Ada only takes none from him.
  const { home, recipient } = await host();
  objects = new MemoryObjects(env);
  await createEncryptedStore(env, objects, at(home), [recipient, bob.recipient]);
  await refused('permission_denied', /is not signed/, open(bob.home));
});

test('a host does not leave keys that it, or others, would not take back', async () => {
  const [ada, bob] = [await host(), await host()];
  const adas = await createSigningKeyFile(env, ada.home);
  await createEncryptedStore(env, objects, at(ada.home), [ada.recipient, bob.recipient]);
  const before = await readStoreRoot(objects);
  const rotate = (home: string): Promise<unknown> =>
    changeStoreKeys(env, objects, at(home), (keys) => rotated(env, keys));
  await refused('invalid_state', /are signed .* and this host signs nothing/, rotate(bob.home));
  await writeFile(join(bob.home, 'keys/trusted.txt'), `${adas.publicKey} Ada\n`);
  await refused('invalid_state', /list of whom it trusts, and it signs nothing/, rotate(bob.home));
  const { publicKey } = await createSigningKeyFile(env, bob.home);
  await refused('invalid_state', /but does not trust its own/, rotate(bob.home));
  assert.deepEqual(await readStoreRoot(objects), before);
  await writeFile(join(bob.home, 'keys/trusted.txt'), `${adas.publicKey}\n${publicKey}\n`);
  await rotate(bob.home);
  assert.equal((await open(bob.home)).recipientCount, 2);
});

test('a store that vanished is not replaced in silence', async () => {
  const { home, recipient } = await host();
  await createEncryptedStore(env, objects, at(home), [recipient]);
  objects = new MemoryObjects(env);
  await refused(
    'permission_denied',
    /is not any more/,
    createEncryptedStore(env, objects, at(home), [recipient]),
  );
  assert.equal(await readStoreRoot(objects), null);
});

test('recipients that are none are refused, and nothing is written', async () => {
  const { home, recipient } = await host();
  const wrong = `${recipient.slice(0, -1)}${recipient.endsWith('q') ? 'p' : 'q'}`;
  await refused(
    'invalid_argument',
    /typed wrongly/,
    createEncryptedStore(env, objects, at(home), [recipient, wrong]),
  );
  assert.equal(await readStoreRoot(objects), null);
  await createEncryptedStore(env, objects, at(home), [recipient]);
  const add = changeStoreKeys(env, objects, at(home), (keys) => withRecipient(keys, wrong));
  await refused('invalid_argument', /typed wrongly/, add);
  const remove = changeStoreKeys(env, objects, at(home), (keys) => withoutRecipient(keys, recipient));
  await refused('invalid_argument', /the last recipient/, remove);
});
