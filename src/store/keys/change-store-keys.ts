/** Makes a store an encrypted one, and changes who can read it. */
import { KelpieError } from '../../base/errors.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import {
  encodeStoreRoot,
  ensureStoreRoot,
  parseStoreRoot,
  readStoreRoot,
  STORE_ROOT_KEY,
} from '../packages/store-root.ts';
import { readSigningKey } from './key-files.ts';
import { readKeysDocument, sealStoreKeys } from './keys-document.ts';
import { checkKnownStore } from './known-stores.ts';
import { openKnownKeys } from './open-sealing.ts';
import type { KeysEnv, StoreKeysPlace } from './open-sealing.ts';
import { requireRecipients } from './public-keys.ts';
import type { SigningKey } from './signatures.ts';
import { createStoreKeys } from './store-keys.ts';
import type { StoreKeys } from './store-keys.ts';
import { readTrusted } from './trusted-keys.ts';

/** Changes of others that come between; more often, and somebody does nothing else. */
const TRIES_MAX = 5;

/**
 * Makes an encrypted store where there is none. A plain one stays plain: what lies in it was seen.
 * @param place whose `home` has the key that this host signs with, where it has one.
 * @throws KelpieError `name_taken` when there is a store; `invalid_argument` for recipients that are none; `invalid_state` when this host would not trust what it signed;
 * `permission_denied` when there was another store, which is gone; StoreTrouble.
 */
export async function createEncryptedStore(
  env: KeysEnv,
  objects: ObjectStore,
  { home, url }: StoreKeysPlace,
  recipients: readonly string[],
): Promise<StoreKeys> {
  const keys = createStoreKeys(env, recipients);
  await requireRecipients(env, keys.recipients);
  const { signer } = await readSigner(env, home);
  // A store that was here, with other keys, is asked about before a new one is in its place.
  if ((await readStoreRoot(objects)) === null) await checkKnownStore(env, home, url, null);
  const document = await sealStoreKeys(env, keys, signer);
  const root = await ensureStoreRoot(env, objects, { ...document });
  if (root.keys?.['tag'] !== document.tag) {
    const kind =
      root.keys === null
        ? 'a plain one, which cannot be encrypted afterwards: make one at another place, and teleport your VMs there'
        : 'an encrypted one: `kelpie store recipients` changes who can read it';
    const message = `there is a store at ${url} already, ${kind}; nothing was changed.`;
    throw new KelpieError('name_taken', message, { data: { storeUrl: url } });
  }
  await checkKnownStore(env, home, url, keys);
  return keys;
}

/**
 * Changes the keys of an encrypted store, which this host can open.
 * @param change gives the keys as they should be; called again when somebody else changed them meanwhile.
 * @returns the keys as they are now.
 * @throws KelpieError `invalid_state` for a plain store or none, and as `createEncryptedStore`; `store_conflict`, and as `openPackageSealing`; what `change` throws; StoreTrouble.
 */
export async function changeStoreKeys(
  env: KeysEnv,
  objects: ObjectStore,
  place: StoreKeysPlace,
  change: (keys: StoreKeys) => StoreKeys,
): Promise<StoreKeys> {
  const { home, url } = place;
  const { signer, trusted } = await readSigner(env, home);
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const object = await objects.get(STORE_ROOT_KEY);
    const root = object === null ? null : parseStoreRoot(object.bytes, url);
    const before = await openKnownKeys(env, place, root?.keys ?? null, trusted);
    if (object === null || root === null || before === null) {
      const message =
        root === null
          ? `there is no store at ${url} yet: \`kelpie store init\` makes an encrypted one.`
          : `${url} is a plain store, which cannot be encrypted afterwards: make an encrypted one at another place with \`kelpie store init\`, and teleport your VMs there.`;
      throw new KelpieError('invalid_state', message, { data: { storeUrl: url } });
    }
    const after = change(before);
    if (after === before) return before;
    await requireRecipients(
      env,
      after.recipients.filter((recipient) => !before.recipients.includes(recipient)),
    );
    requireStillSigned(readKeysDocument(root.keys, url).signature?.publicKey, signer);
    const keys = { ...(await sealStoreKeys(env, after, signer)) };
    const bytes = encodeStoreRoot({ storeId: root.storeId, keys });
    const { result } = await objects.putIfMatch(STORE_ROOT_KEY, object.etag, bytes);
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

interface Signer {
  /** Null when this host signs nothing. */
  readonly signer: SigningKey | null;
  /** Null when there is no list. */
  readonly trusted: ReadonlySet<string> | null;
}

/** @throws KelpieError `invalid_state` when this host would refuse what it wrote itself. */
async function readSigner(env: KeysEnv, home: string): Promise<Signer> {
  const [trusted, signer] = [await readTrusted(env, home), await readSigningKey(env, home)];
  if (trusted === null || (signer !== null && trusted.has(signer.publicKey))) return { signer, trusted };
  const what =
    signer === null
      ? 'and it signs nothing: make a key with `kelpie key init --sign`'
      : `but does not trust its own key: \`kelpie key trust ${signer.publicKey}\``;
  throw new KelpieError('invalid_state', `this host has a list of whom it trusts, ${what}.`);
}

/** A list that loses its signature would be refused by every host that trusts only some. @throws KelpieError `invalid_state`. */
function requireStillSigned(signedBy: string | undefined, signer: SigningKey | null): void {
  if (signedBy === undefined || signer !== null) return;
  const message = `the keys of the store are signed (by ${signedBy}), and this host signs nothing: make a key with \`kelpie key init --sign\`, which the others then trust.`;
  throw new KelpieError('invalid_state', message);
}
