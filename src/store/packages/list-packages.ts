import { KelpieError, isKelpieError } from '../../base/errors.ts';
import { inParallel } from '../../base/in-parallel.ts';
import type { PureCompute } from '../../env/compute.ts';
import { PACKAGES_LISTED_MAX } from '../limits.ts';
import { listAll } from '../objects/list-all.ts';
import type { ActOptions, ListedObject, ObjectStore } from '../objects/object-store.ts';
import { StoreTrouble } from '../objects/store-trouble.ts';
import type { PackageListing, TeleportPackage } from '../teleport-storage.ts';
import { MANIFEST_BYTES_MAX, PACKAGES_MAX, REQUESTS_AT_ONCE } from './limits.ts';
import { parseManifest } from './manifest.ts';
import { describePackage } from './open-package.ts';
import { PACKAGES_PREFIX, packageIdOf, packageKey } from './package-key.ts';
import type { PackageSealing } from './sealing.ts';

/** Manifests that were read: they never change, so a store is asked for each once. */
export class PackageCache {
  /** In order of use. */
  readonly #packages = new Map<string, { readonly sizeBytes: number; readonly package: TeleportPackage }>();

  get(id: string, sizeBytes: number): TeleportPackage | null {
    const known = this.#packages.get(id);
    // Of another length it is not the manifest any more that was read.
    return known?.sizeBytes === sizeBytes ? known.package : null;
  }

  set(id: string, sizeBytes: number, found: TeleportPackage): void {
    this.#packages.delete(id);
    this.#packages.set(id, { sizeBytes, package: found });
    const [oldest] = this.#packages.keys();
    if (this.#packages.size > PACKAGES_LISTED_MAX && oldest !== undefined) this.#packages.delete(oldest);
  }
}

export interface ListingStore {
  readonly objects: Pick<ObjectStore, 'get' | 'list'>;
  readonly sealing: PackageSealing;
}

interface ListedManifest extends ListedObject {
  readonly id: string;
}

/** Every package, newest first, at most `PACKAGES_LISTED_MAX`; `TeleportStorage.list` has the contract. @throws StoreTrouble. */
export async function listPackages(
  env: { readonly compute: Pick<PureCompute, 'sha256'> },
  store: ListingStore,
  cache: PackageCache,
  options: ActOptions = {},
): Promise<readonly PackageListing[]> {
  const manifests = await listManifests(store.objects, options);
  const newest = manifests.toSorted(byAge).slice(0, PACKAGES_LISTED_MAX);
  const listings = new Map<string, PackageListing>();
  const read = async (manifest: ListedManifest, signal: AbortSignal): Promise<void> => {
    const listing = await readListing(env, store, cache, manifest, { signal });
    if (listing !== null) listings.set(manifest.id, listing);
  };
  await inParallel(newest, REQUESTS_AT_ONCE, read, options.signal);
  return newest.flatMap(({ id }) => listings.get(id) ?? []);
}

/** Ids of all packages, damaged ones too, and when they were published. @throws KelpieError `limit_exceeded`; StoreTrouble. */
export async function listManifests(
  objects: Pick<ObjectStore, 'list'>,
  options: ActOptions = {},
): Promise<readonly ListedManifest[]> {
  const manifests: ListedManifest[] = [];
  for await (const object of listAll(objects, PACKAGES_PREFIX, options)) {
    const id = packageIdOf(object.key);
    if (id !== null) manifests.push({ ...object, id });
    if (manifests.length > PACKAGES_MAX)
      throw new KelpieError(
        'limit_exceeded',
        `the store has more than ${PACKAGES_MAX} packages: remove some.`,
      );
  }
  return manifests;
}

function byAge(a: ListedManifest, b: ListedManifest): number {
  return b.modifiedMs - a.modifiedMs || (a.id < b.id ? -1 : 1);
}

/** @returns null when it was removed since it was listed. */
async function readListing(
  { compute }: { readonly compute: Pick<PureCompute, 'sha256'> },
  { objects, sealing }: ListingStore,
  cache: PackageCache,
  { id, sizeBytes, modifiedMs }: ListedManifest,
  options: ActOptions,
): Promise<PackageListing | null> {
  const known = cache.get(id, sizeBytes);
  const publishedAtUnixMs = Math.floor(modifiedMs);
  if (known !== null) return { damaged: false, package: known, publishedAtUnixMs };
  if (sizeBytes > MANIFEST_BYTES_MAX) return { damaged: true, id, reason: 'its manifest is too long.' };
  const object = await objects.get(packageKey(id), options);
  if (object === null) return null;
  try {
    const found = describePackage(id, parseManifest(compute, sealing, id, object.bytes));
    cache.set(id, sizeBytes, found);
    return { damaged: false, package: found, publishedAtUnixMs };
  } catch (error) {
    if (!isKelpieError(error) || error instanceof StoreTrouble) throw error;
    return { damaged: true, id, reason: error.message };
  }
}
