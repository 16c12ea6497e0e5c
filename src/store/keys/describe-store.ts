/** What a store is, for people: whether it is encrypted, and for whom. Whoever sees the store may ask, with keys or without. */
import { isKelpieError } from '../../base/errors.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import { StoreTrouble } from '../objects/store-trouble.ts';
import { listManifests } from '../packages/list-packages.ts';
import { readStoreRoot, STORE_FORMAT_VERSION } from '../packages/store-root.ts';
import { readKeysDocument } from './keys-document.ts';
import { openPackageSealing } from './open-sealing.ts';
import type { KeysEnv, StoreKeysPlace } from './open-sealing.ts';

export interface EncryptionDescription {
  readonly recipients: readonly string[];
  /** Oldest first; the last seals what is new. */
  readonly keyIds: readonly string[];
  readonly revision: number;
  /** Public key of whoever signed the list. */
  readonly signedBy: string | null;
}

export interface StoreDescription {
  /** Null where nobody has published yet. */
  readonly storeId: string | null;
  readonly formatVersion: number | null;
  /** Null when it is plain. As the store says: only believed when there is no `trouble`. */
  readonly encryption: EncryptionDescription | null;
  readonly packages: number;
  /** Why this host may not read or publish there; null when it may. */
  readonly trouble: string | null;
}

/** @throws KelpieError `package_corrupt` for a root that is damaged, `package_too_new`, `limit_exceeded`; StoreTrouble. */
export async function describeStore(
  env: KeysEnv,
  objects: ObjectStore,
  place: StoreKeysPlace,
): Promise<StoreDescription> {
  const root = await readStoreRoot(objects);
  const keys = root === null || root.keys === null ? null : readKeysDocument(root.keys, place.url);
  return {
    storeId: root?.storeId ?? null,
    formatVersion: root === null ? null : STORE_FORMAT_VERSION,
    encryption:
      keys === null
        ? null
        : {
            recipients: keys.recipients,
            keyIds: keys.keyIds,
            revision: keys.revision,
            signedBy: keys.signature?.publicKey ?? null,
          },
    packages: (await listManifests(objects)).length,
    trouble: await troubleOf(env, place, root?.keys ?? null),
  };
}

async function troubleOf(env: KeysEnv, place: StoreKeysPlace, document: unknown): Promise<string | null> {
  try {
    await openPackageSealing(env, place, document);
    return null;
  } catch (error) {
    if (!isKelpieError(error) || error instanceof StoreTrouble) throw error;
    return error.message;
  }
}
