/** Which package of a store is a VM that may be claimed now. */
import { KelpieError } from '../base/errors.ts';
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
  const record = await byVm(store, query.vm ?? '');
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
  if (current === packageId) return { package: open.package, open, record };
  throw new KelpieError(
    'vm_owned_elsewhere',
    `package ${packageId} is an older state of "${record.vmName}", which is at rest in ${current}.`,
  );
}

async function byVm(store: Store, reference: string): Promise<OwnershipRecord> {
  const records = await store.ownership.list();
  const matches = records.filter((record) => record.vmId === reference || record.vmName === reference);
  const atRest = matches.filter((record) => record.state === 'at-rest');
  const [record, other] = atRest.length > 0 ? atRest : matches;
  if (record === undefined)
    throw new KelpieError(
      'vm_not_found',
      `there is no VM "${reference}" in ${store.storage.url}; \`kelpie package ls\` lists its packages.`,
    );
  if (other === undefined) return record;
  const ids = matches.map((match) => match.vmId);
  throw new KelpieError(
    'invalid_argument',
    `several VMs in this store are named "${reference}": name one by its id (${ids.join(', ')}).`,
    { data: { ids } },
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
  if (open.package.metadata.vmId === record.vmId) return;
  throw new KelpieError(
    'package_corrupt',
    `the store's record of "${record.vmName}" names a package of another VM.`,
  );
}
