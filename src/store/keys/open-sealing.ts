/** From a store's root and a host's key files to what packages are sealed and signed with. */
import { KelpieError } from '../../base/errors.ts';
import type { Env } from '../../env/env.ts';
import type { PackageSealing } from '../packages/sealing.ts';
import { readIdentities, readSigningKey } from './key-files.ts';
import { openStoreKeys } from './keys-document.ts';
import { checkKnownStore } from './known-stores.ts';
import { createPackageSealing } from './package-sealing.ts';
import type { StoreKeys } from './store-keys.ts';
import { readTrusted } from './trusted-keys.ts';

export type KeysEnv = Pick<Env, 'age' | 'compute' | 'files' | 'host' | 'random'>;

export interface StoreKeysPlace {
  /** Absolute path of `KELPIE_HOME`. */
  readonly home: string;
  /** The store's, as the user wrote it: what this host remembers of its keys is remembered under it. */
  readonly url: string;
}

/**
 * What this host seals, opens, signs and checks packages of a store with. It is good for as long as the store's keys are those: read them anew for each operation.
 * @param document the `keys` of the store's root, not trusted; null in a plain store, or where nobody has published yet.
 * @throws KelpieError as `readIdentities`, `openStoreKeys` and `checkKnownStore`.
 */
export async function openPackageSealing(
  env: KeysEnv,
  place: StoreKeysPlace,
  document: unknown,
): Promise<PackageSealing> {
  const trusted = await readTrusted(env, place.home);
  const signingKey = await readSigningKey(env, place.home);
  const store = await openKnownKeys(env, place, document, trusted);
  return createPackageSealing(env, { store, signingKey, trusted });
}

/** The store's keys, checked against what this host remembers of them, which is remembered. @throws as `openPackageSealing`. */
export async function openKnownKeys(
  env: KeysEnv,
  { home, url }: StoreKeysPlace,
  document: unknown,
  trusted: ReadonlySet<string> | null,
): Promise<StoreKeys | null> {
  const keys =
    document === null
      ? null
      : await openStoreKeys(env, document, { url, identities: await readIdentities(env, home), trusted });
  await checkKnownStore(env, home, url, keys);
  return keys;
}

/** As `openPackageSealing`; where that is refused, sealing of which each act is refused so. */
export async function openSealingIfAllowed(
  env: KeysEnv,
  place: StoreKeysPlace,
  document: unknown,
): Promise<PackageSealing> {
  try {
    return await openPackageSealing(env, place, document);
  } catch (error) {
    if (!(error instanceof KelpieError)) throw error;
    return refusingSealing(error, document !== null);
  }
}

function refusingSealing(error: KelpieError, isEncrypted: boolean): PackageSealing {
  const refuse = (): never => {
    throw error;
  };
  return {
    isEncrypted,
    recipientCount: null,
    newSession: refuse,
    frameSeal: refuse,
    seal: refuse,
    open: refuse,
    sign: refuse,
    verify: refuse,
  };
}
