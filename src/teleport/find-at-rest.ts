/** Which package of a store is a VM that may be claimed now. */
import { KelpieError } from '../base/errors.ts';
import { findRecord } from './find-record.ts';
import { ownedElsewhere } from './ownership.ts';
import type { OwnershipRecord } from '../store/ownership-records.ts';
import type { OpenPackage, TeleportPackage } from '../store/teleport-storage.ts';
import type { Store } from '../store/open-store.ts';

export interface AtRest {
  readonly package: TeleportPackage;
  readonly open: OpenPackage;
  /** As it was read: what the claim compares with. */
  readonly record: OwnershipRecord;
}

export interface AtRestQuery {
  readonly vm: string | null;
  readonly packageId: string | null;
}

/** @throws KelpieError `vm_not_found`, `package_not_found`, `package_corrupt`, `vm_owned_elsewhere`, `invalid_argument`. */
export async function findAtRest(store: Store, hostId: string, query: AtRestQuery): Promise<AtRest> {
  if (query.packageId !== null) return byPackage(store, hostId, query.packageId);
  const record = await findRecord(store, query.vm ?? '', ['at-rest']);
  const packageId = atRestPackage(record, hostId);
  const open = await store.storage.downloadForRestore(packageId);
  checkBelongs(open, record);
  return { package: open.package, open, record };
}

async function byPackage(store: Store, hostId: string, packageId: string): Promise<AtRest> {
  const open = await store.storage.downloadForRestore(packageId);
  const { metadata } = open.package;
  const record = await store.ownership.read(metadata.vmId);
  if (record === null) {
    throw new KelpieError(
      'package_not_found',
      `package ${packageId} was published, but its VM never came to rest in this store.`,
    );
  }
  const current = atRestPackage(record, hostId);
  if (current === packageId) {
    checkBelongs(open, record);
    return { package: open.package, open, record };
  }
  throw new KelpieError(
    'vm_owned_elsewhere',
    `package ${packageId} is an older state of "${record.vmName}", which is at rest in ${current}.`,
  );
}

function atRestPackage(record: OwnershipRecord, hostId: string): string {
  if (record.state === 'at-rest') return record.packageId;
  if (record.state === 'running' && record.owner === hostId) {
    throw new KelpieError('vm_owned_elsewhere', `"${record.vmName}" was claimed by this host already.`);
  }
  throw ownedElsewhere(record, record.vmName);
}

/** A record that names another VM's package is damaged or forged. */
function checkBelongs(open: OpenPackage, record: OwnershipRecord): void {
  const { vmId, kind } = open.package.metadata;
  if (vmId === record.vmId && kind !== 'checkpoint') return;
  throw new KelpieError(
    'package_corrupt',
    `the store's record of "${record.vmName}" names a package that is not of its running memory.`,
  );
}
