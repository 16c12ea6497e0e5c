import { KelpieError } from '../base/errors.ts';
import { uniqueBeginning } from '../base/unique-beginning.ts';
import { packageReference, sha256 } from './api/fields.ts';
import type { PackageListing, TeleportStorage } from '../store/teleport-storage.ts';

/**
 * @param reference a package's id, or a beginning of it that no other has. Damaged packages are found too: they must be removable.
 * @throws KelpieError `package_not_found`, `invalid_argument`.
 */
export async function findPackage(
  storage: Pick<TeleportStorage, 'list' | 'url'>,
  reference: string,
): Promise<PackageListing> {
  const checked = packageReference.safeParse(reference);
  if (!checked.success) {
    const [issue] = checked.error.issues;
    throw new KelpieError('invalid_argument', `"${reference}" names no package: it ${issue?.message}.`);
  }
  const found = uniqueBeginning(await storage.list(), idOf, reference, 'packages');
  if (found !== null) return found;
  throw new KelpieError(
    'package_not_found',
    `there is no package ${reference} in ${storage.url}: kelpie package ls lists them.`,
  );
}

/** The id of it. A whole one is not looked for: whoever uses it finds out whether it is there. @throws as `findPackage`. */
export async function findPackageId(
  storage: Pick<TeleportStorage, 'list' | 'url'>,
  reference: string,
): Promise<string> {
  return sha256.safeParse(reference).success ? reference : idOf(await findPackage(storage, reference));
}

export function idOf(listing: PackageListing): string {
  return listing.damaged ? listing.id : listing.package.id;
}
