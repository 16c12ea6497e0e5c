import { sha256Schema } from '../../snapshot/metadata-codec.ts';

export const PACKAGES_PREFIX = 'packages/';

/** True for what can be the id of a package. */
export function isPackageId(text: string): boolean {
  return sha256Schema.safeParse(text).success;
}

/** Key of the manifest. */
export function packageKey(packageId: string): string {
  return `${PACKAGES_PREFIX}${packageId}`;
}

/** The id in a key below `PACKAGES_PREFIX`; null for what is none of ours. */
export function packageIdOf(key: string): string | null {
  const id = key.slice(PACKAGES_PREFIX.length);
  return isPackageId(id) ? id : null;
}
