import { assert } from '../../base/assert.ts';
import { isUuid } from '../../base/uuid.ts';
import { OWNERSHIP_RECORDS_LISTED_MAX } from '../limits.ts';
import { listPages } from '../objects/list-all.ts';
import type { ETag, ObjectStore, PutOutcome } from '../objects/object-store.ts';
import { isStoreTrouble } from '../objects/store-trouble.ts';
import { encodeOwnershipRecord, parseOwnershipRecord } from '../ownership-codec.ts';
import type { OwnershipRecord, OwnershipRecords } from '../ownership-records.ts';
import { recordConflict, recordOvertaken, tooManyRecords } from './told-conflicts.ts';

const PREFIX = 'ownership/';
/** Records that are read at once while all are listed: as many requests as a store may have waiting, with room for others. */
const PAGE_RECORDS = 250;

interface Found {
  readonly record: OwnershipRecord;
  readonly etag: ETag;
}

/**
 * Ownership records over any object store: `ownership/VM` is the record of one VM. Revision *n + 1* is put where the ETag is that of
 * revision *n*. Each revision is written once and the number is part of the bytes, so an ETag never comes back, and a writer that slept for
 * long is refused. Records are replaced, never deleted.
 *
 * @param objects one that settles lost answers (`reliable`): what it cannot settle is told as unknown.
 */
export class ObjectOwnership implements OwnershipRecords {
  readonly #objects: ObjectStore;

  constructor(objects: ObjectStore) {
    this.#objects = objects;
  }

  async read(vmId: string): Promise<OwnershipRecord | null> {
    if (!isUuid(vmId)) return null;
    return (await this.#find(vmId))?.record ?? null;
  }

  async compareAndSwap(expectedRevision: number, next: OwnershipRecord): Promise<void> {
    assert(next.revision === expectedRevision + 1, 'a change makes the next revision');
    const bytes = encodeOwnershipRecord(next);
    const key = keyOf(next.vmId);
    if (expectedRevision === 0) {
      await told(next, async () => await this.#objects.putIfAbsent(key, bytes));
      return;
    }
    const found = await this.#find(next.vmId);
    if (found?.record.revision !== expectedRevision) throw recordConflict(next);
    await told(next, async () => await this.#objects.putIfMatch(key, found.etag, bytes));
  }

  async list(): Promise<readonly OwnershipRecord[]> {
    const records: OwnershipRecord[] = [];
    for await (const page of listPages(this.#objects, { prefix: PREFIX, limit: PAGE_RECORDS })) {
      const vmIds = page.map(({ key }) => key.slice(PREFIX.length)).filter(isUuid);
      if (records.length + vmIds.length > OWNERSHIP_RECORDS_LISTED_MAX)
        throw tooManyRecords(this.#objects.url);
      for (const found of await Promise.all(vmIds.map(async (vmId) => await this.#find(vmId)))) {
        if (found !== null) records.push(found.record);
      }
    }
    return records;
  }

  async #find(vmId: string): Promise<Found | null> {
    // Whole, since a service has a digest of whole objects only: a record that came with one digit changed may say that the VM is another's.
    const object = await this.#objects.get(keyOf(vmId));
    if (object === null) return null;
    return { record: parseOwnershipRecord(object.bytes, vmId), etag: object.etag };
  }
}

function keyOf(vmId: string): string {
  assert(isUuid(vmId), 'a VM is named by a UUID');
  return `${PREFIX}${vmId}`;
}

/** The outcome in the words of `OwnershipRecords`. */
async function told(next: OwnershipRecord, put: () => Promise<PutOutcome>): Promise<void> {
  let outcome: PutOutcome;
  try {
    outcome = await put();
  } catch (error) {
    // Its code is that of a lost race, whose loser knows that nothing was written; here nobody knows.
    if (isStoreTrouble(error, 'contended')) throw recordOvertaken(next, error);
    throw error;
  }
  if (outcome.result === 'refused') throw recordConflict(next);
  if (outcome.result === 'overtaken') throw recordOvertaken(next);
}
