/** Makes a store an encrypted one, and changes who can read it. */
import { defined } from '../../base/assert.ts';
import { KelpieError } from '../../base/errors.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import { encodeStoreRoot, ensureStoreRoot, parseStoreRoot, STORE_ROOT_KEY } from '../packages/store-root.ts';
import { readSigningKey, readTrusted } from './key-files.ts';
import { sealStoreKeys } from './keys-document.ts';
import { checkKnownStore } from './known-stores.ts';
import { openKnownKeys } from './open-sealing.ts';
import type { KeysEnv } from './open-sealing.ts';
import { createStoreKeys } from './store-keys.ts';
import type { StoreKeys } from './store-keys.ts';

/** Changes of others that come between; more often, and somebody does nothing else. */
const TRIES_MAX = 5;

/**
 * Makes an encrypted store where there is none. A plain one stays plain: what lies in it was seen.
 * @param home absolute path of `KELPIE_HOME`, with the key that this host signs with, where it has one.
 * @throws KelpieError `name_taken` when there is a store; `invalid_argument` for recipients that are none; StoreTrouble.
 */
export async function createEncryptedStore(
  env: KeysEnv,
  objects: ObjectStore,
  home: string,
  recipients: readonly string[],
): Promise<StoreKeys> {
  const keys = createStoreKeys(env, recipients);
  const document = await sealStoreKeys(env, keys, await readSigningKey(env, home));
  const root = await ensureStoreRoot(env, objects, { ...document });
  if (root.keys?.['tag'] !== document.tag) {
    const message = `there is a store at ${objects.url} already, ${root.keys === null ? 'a plain one' : 'an encrypted one'}: nothing was changed.`;
    throw new KelpieError('name_taken', message, { data: { storeUrl: objects.url } });
  }
  await checkKnownStore(env, home, objects.url, keys);
  return keys;
}

/**
 * Changes the keys of an encrypted store, which this host can open.
 * @param change gives the keys as they should be; called again when somebody else changed them meanwhile.
 * @returns the keys as they are now.
 * @throws KelpieError `invalid_state` for a plain store or none, `store_conflict`, and as `openPackageSealing`; what `change` throws; StoreTrouble.
 */
export async function changeStoreKeys(
  env: KeysEnv,
  objects: ObjectStore,
  home: string,
  change: (keys: StoreKeys) => StoreKeys,
): Promise<StoreKeys> {
  const { url } = objects;
  const trusted = await readTrusted(env, home);
  const signer = await readSigningKey(env, home);
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const object = await objects.get(STORE_ROOT_KEY);
    const root = object === null ? null : parseStoreRoot(object.bytes, url);
    const before = await openKnownKeys(env, { home, url }, root?.keys ?? null, trusted);
    if (root === null || before === null) {
      const message = `${url} is not an encrypted store: make a new one, and copy the packages to it.`;
      throw new KelpieError('invalid_state', message, { data: { storeUrl: url } });
    }
    const after = change(before);
    if (after === before) return before;
    const keys = { ...(await sealStoreKeys(env, after, signer)) };
    const bytes = encodeStoreRoot({ storeId: root.storeId, keys });
    const { result } = await objects.putIfMatch(STORE_ROOT_KEY, defined(object, 'the root').etag, bytes);
    if (result === 'written') {
      await checkKnownStore(env, home, url, after);
      return after;
    }
  }
  throw new KelpieError(
    'store_conflict',
    `the keys of the store ${url} are changed by others all the time: try again.`,
  );
}
