/** Which package of a store a person means who wants copies of it. */
import { KelpieError, isKelpieError } from '../base/errors.ts';
import { findRecord } from '../teleport/find-record.ts';
import { ownedElsewhere } from '../teleport/ownership.ts';
import { packageReference } from './api/fields.ts';
import { findPackageId } from './find-package.ts';
import type { OwnershipRecord } from '../store/ownership-records.ts';
import type { Store } from '../store/open-store.ts';

/**
 * @param source the name or id of a VM: its last package; else the id of a package, or the unique beginning of one.
 * @throws KelpieError `vm_not_found`, `package_not_found`, `vm_owned_elsewhere` when the VM went on to another store or was removed, `invalid_argument`.
 */
export async function findForkable(store: Store, source: string): Promise<string> {
  try {
    return lastPackage(await findRecord(store, source, ['at-rest', 'running', 'departing']));
  } catch (error) {
    if (!packageReference.safeParse(source).success || !isKelpieError(error, 'vm_not_found')) throw error;
    return findPackageId(store.storage, source);
  }
}

function lastPackage(record: OwnershipRecord): string {
  if (record.state === 'moved' || record.state === 'removed') throw ownedElsewhere(record, record.vmName);
  if (record.packageId !== null) return record.packageId;
  throw new KelpieError(
    'package_not_found',
    `no package of "${record.vmName}" is known in this store: fork it on ${record.hostName}, which runs it.`,
  );
}
