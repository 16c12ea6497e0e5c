import type { Env } from '../env/env.ts';
import type { Architecture } from '../snapshot/metadata.ts';
import { openObjects } from './objects/open-objects.ts';
import type { ObjectStore } from './objects/object-store.ts';
import type { OwnershipRecords } from './ownership-records.ts';
import { PackageStorage } from './package-storage.ts';
import { PackageKeeper } from './packages/package-keeper.ts';
import { plainSealing } from './packages/sealing.ts';
import { ensureStoreRoot, readStoreRoot } from './packages/store-root.ts';
import type { StoreRoot } from './packages/store-root.ts';
import { ObjectOwnership } from './records/object-ownership.ts';
import type { TeleportStorage } from './teleport-storage.ts';

/** A store: packages, and who may run which VM. */
export interface Store {
  readonly storage: TeleportStorage;
  readonly ownership: OwnershipRecords;
  /** What is done with packages after they were published. */
  readonly keeper: PackageKeeper;
  /** What all of it is kept in. */
  readonly objects: ObjectStore;
  /** Names the store, whatever its URL is. A place where nobody has published yet becomes a store by it. */
  id(): Promise<string>;
}

export interface OpenStoreOptions {
  readonly hostArchitecture: Architecture;
  /** For people who look at what is under way in the store. */
  readonly hostName: string;
}

export type StoreEnv = Pick<Env, 'clock' | 'compute' | 'files' | 'host' | 'http' | 'random'>;

/**
 * Opens the store that a URL names: an absolute path, `file:///path`, `s3://bucket/prefix?…` (docs/STORES.md). Nothing is written.
 * @throws KelpieError `invalid_argument` for a URL that names no store, `store_unavailable`, `package_too_new`, `permission_denied`.
 */
export async function openStore(env: StoreEnv, url: string, options: OpenStoreOptions): Promise<Store> {
  const objects = await openObjects(env, url);
  let root = await readStoreRoot(objects);
  const ensureRoot = async (): Promise<StoreRoot> => (root ??= await ensureStoreRoot(env, objects, null));
  const ownership = new ObjectOwnership(objects);
  const sealing = plainSealing;
  return {
    storage: new PackageStorage(env, { objects, sealing, ensureRoot }, options),
    ownership,
    keeper: new PackageKeeper(env, { objects, sealing, ownership, hostName: options.hostName }),
    objects,
    id: async () => (await ensureRoot()).storeId,
  };
}
