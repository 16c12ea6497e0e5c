/** Which record of a store a person means. */
import { KelpieError } from '../base/errors.ts';
import { isUuid } from '../base/uuid.ts';
import type { OwnershipRecord, OwnershipRecords } from '../store/ownership-records.ts';

export interface SearchedStore {
  readonly ownership: OwnershipRecords;
  readonly storage: { readonly url: string };
}

/**
 * @param reference a VM's name or id. Of several with one name the one in a state of `preferred` is meant, when it is the only one.
 * @throws KelpieError `vm_not_found`, `invalid_argument` when several are meant, and the store's.
 */
export async function findRecord(
  store: SearchedStore,
  reference: string,
  preferred: readonly OwnershipRecord['state'][],
): Promise<OwnershipRecord> {
  const matches = isUuid(reference) ? await byId(store, reference) : await byName(store, reference);
  const wanted = matches.filter(({ state }) => preferred.includes(state));
  const [record, other] = wanted.length > 0 ? wanted : matches;
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

async function byId({ ownership }: SearchedStore, vmId: string): Promise<readonly OwnershipRecord[]> {
  const record = await ownership.read(vmId);
  return record === null ? [] : [record];
}

async function byName({ ownership }: SearchedStore, name: string): Promise<readonly OwnershipRecord[]> {
  return (await ownership.list()).filter(({ vmName }) => vmName === name);
}
