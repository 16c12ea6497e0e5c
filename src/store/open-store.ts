import { KelpieError } from '../base/errors.ts';
import type { Env } from '../env/env.ts';
import type { Architecture } from '../snapshot/metadata.ts';
import { HostRecords } from './hosts/host-records.ts';
import { openSealingIfAllowed } from './keys/open-sealing.ts';
import { openObjects } from './objects/open-objects.ts';
import type { ObjectStore } from './objects/object-store.ts';
import type { OwnershipRecords } from './ownership-records.ts';
import { PackageStorage } from './package-storage.ts';
import { PackageKeeper } from './packages/package-keeper.ts';
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
  /** What hosts that use the store say of themselves. */
  readonly hosts: HostRecords;
  /** What all of it is kept in. */
  readonly objects: ObjectStore;
  /** Names the store, whatever its URL is. A place where nobody has published yet becomes a store by it. */
  id(): Promise<string>;
}

export interface OpenStoreOptions {
  /** Absolute path of `KELPIE_HOME`: this host's keys are there. */
  readonly home: string;
  readonly hostArchitecture: Architecture;
  /** For people who look at what is under way in the store. */
  readonly hostName: string;
}

export type StoreEnv = Pick<
  Env,
  'age' | 'clock' | 'compute' | 'files' | 'host' | 'http' | 'processes' | 'random'
>;

/**
 * Opens the store that a URL names: an absolute path, `file:///path`, `s3://bucket/prefix?…` (docs/STORES.md). Nothing is written there. A store whose
 * packages this host may not read or write is opened all the same, since who runs a VM is decided without keys: acts on packages say why.
 * @throws KelpieError `invalid_argument` for a URL that names no store, `store_unavailable`, `package_too_new`, `permission_denied`.
 */
export async function openStore(env: StoreEnv, url: string, options: OpenStoreOptions): Promise<Store> {
  const objects = await openObjects(env, url);
  let root = await readStoreRoot(objects);
  const keys = root?.keys ?? null;
  const ensureRoot = async (): Promise<StoreRoot> => {
    root ??= await ensureStoreRoot(env, objects, null);
    if (keys !== null || root.keys === null) return root;
    const message = `the store ${objects.url} was made an encrypted one just now: try again.`;
    throw new KelpieError('store_conflict', message, { data: { storeUrl: objects.url } });
  };
  const ownership = new ObjectOwnership(objects);
  const sealing = await openSealingIfAllowed(env, { home: options.home, url }, keys);
  return {
    storage: new PackageStorage(env, { url, objects, sealing, ensureRoot }, options),
    ownership,
    keeper: new PackageKeeper(env, { objects, sealing, ownership, hostName: options.hostName }),
    hosts: new HostRecords({ objects, sealing, ensureRoot }),
    objects,
    id: async () => (await ensureRoot()).storeId,
  };
}
