import { KelpieError } from '../base/errors.ts';
import type { PackageListing, TeleportStorage } from '../store/teleport-storage.ts';

/**
 * @param reference a package's id, or a beginning of it that no other has. Damaged packages are found too: they must be removable.
 * @throws KelpieError `package_not_found`, `invalid_argument`.
 */
export async function findPackage(
  storage: Pick<TeleportStorage, 'list' | 'url'>,
  reference: string,
): Promise<PackageListing> {
  const [found, another] = (await storage.list()).filter((listing) => idOf(listing).startsWith(reference));
  if (found === undefined) {
    throw new KelpieError(
      'package_not_found',
      `there is no package ${reference} in ${storage.url}: kelpie package ls lists them.`,
    );
  }
  if (another === undefined) return found;
  throw new KelpieError('invalid_argument', `several packages begin with ${reference}: give more of the id.`);
}

/** The id of it. @throws as `findPackage`. */
export async function findPackageId(
  storage: Pick<TeleportStorage, 'list' | 'url'>,
  reference: string,
): Promise<string> {
  return idOf(await findPackage(storage, reference));
}

export function idOf(listing: PackageListing): string {
  return listing.damaged ? listing.id : listing.package.id;
}
