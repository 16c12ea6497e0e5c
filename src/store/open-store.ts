import type { Architecture } from '../snapshot/metadata.ts';
import { LocalOwnership } from './local/local-ownership.ts';
import { LocalStorage } from './local/local-storage.ts';
import { LocalStore } from './local/local-store.ts';
import type { LocalStoreEnv } from './local/local-store.ts';
import type { OwnershipRecords } from './ownership-records.ts';
import { pathOfStore } from './store-url.ts';
import type { TeleportStorage } from './teleport-storage.ts';

/** A store: packages, and who may run which VM. */
export interface Store {
  readonly storage: TeleportStorage;
  readonly ownership: OwnershipRecords;
}

export interface OpenStoreOptions {
  readonly hostArchitecture: Architecture;
}

/**
 * Opens the store that a URL names: an absolute path, `file:///path`.
 * @throws KelpieError `invalid_argument` for a URL that names no store of this version, `store_unavailable`,
 * `package_too_new`.
 */
export async function openStore(env: LocalStoreEnv, url: string, options: OpenStoreOptions): Promise<Store> {
  const store = await LocalStore.open(env, url, pathOfStore(url));
  return { storage: new LocalStorage(store, options.hostArchitecture), ownership: new LocalOwnership(store) };
}
