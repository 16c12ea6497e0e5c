/**
 * Ownership records in a directory: one immutable file per revision, `ownership/VM/REVISION.json`, of which the highest is
 * the record. The file system's put-if-absent (`link`) is the compare-and-swap: of all writers that want to be revision n,
 * one gets the name. Old revisions are removed, which is safe because
 *
 * - a revision is removed only when `REVISIONS_KEPT` newer ones exist. A writer that slept since it read could then take a
 *   name that was used before; so after its link it looks again, and is sure of its success only when the newest revision
 *   is less than `REVISIONS_KEPT` above its own. Otherwise the outcome is unknown, which the contract has a word for.
 * - a reader whose file went away since it listed the directory lists again.
 */
import { assert } from '../../base/assert.ts';
import { KelpieError } from '../../base/errors.ts';
import { createSynced } from '../../env/durable-files.ts';
import { isSystemError } from '../../env/system-error.ts';
import { isUuid } from '../../base/uuid.ts';
import { OWNERSHIP_RECORDS_LISTED_MAX, OWNERSHIP_RECORD_BYTES_MAX } from '../limits.ts';
import { encodeOwnershipRecord, parseOwnershipRecord } from '../ownership-codec.ts';
import type { OwnershipRecord, OwnershipRecords } from '../ownership-records.ts';
import { recordConflict, recordOvertaken, tooManyRecords } from '../records/told-conflicts.ts';
import type { LocalStore } from './local-store.ts';

const REVISIONS_KEPT = 16;
/** Each further attempt means that `REVISIONS_KEPT` writers went by since the last one. */
const READ_ATTEMPTS_MAX = 16;

/** `12.json` is revision 12; `12.UUID.part` is a writer's that wants to be. */
const namePattern = /^(?<revision>[1-9]\d{0,14})\.(?:json|[0-9a-f-]{36}\.part)$/;

export class LocalOwnership implements OwnershipRecords {
  readonly #store: LocalStore;

  constructor(store: LocalStore) {
    this.#store = store;
  }

  async read(vmId: string): Promise<OwnershipRecord | null> {
    if (!isUuid(vmId)) return null;
    return await this.#store.attempt('read', async () => await this.#readNewest(vmId));
  }

  async compareAndSwap(expectedRevision: number, next: OwnershipRecord): Promise<void> {
    assert(next.revision === expectedRevision + 1, 'a change makes the next revision');
    const bytes = encodeOwnershipRecord(next);
    await this.#store.attempt('write to', async () => {
      const { files, random } = this.#store.env;
      const directory = this.#directory(next.vmId);
      await this.#makeDirectory(directory, expectedRevision === 0);
      const names = await this.#namesIn(directory);
      if (newestRevision(names) !== expectedRevision) throw recordConflict(next);
      await this.#trim(directory, names, expectedRevision);
      const part = `${directory}/${next.revision}.${random.uuid()}.part`;
      try {
        await createSynced(files, part, bytes);
        await this.#put(part, directory, next);
      } finally {
        await files.removeTree(part);
      }
    });
  }

  async list(): Promise<readonly OwnershipRecord[]> {
    return await this.#store.attempt('read', async () => {
      const records: OwnershipRecord[] = [];
      const names = await this.#namesIn(this.#store.directory('ownership'));
      const vmIds = names.filter(isUuid).toSorted();
      if (vmIds.length > OWNERSHIP_RECORDS_LISTED_MAX) throw tooManyRecords(this.#store.url);
      for (const vmId of vmIds) {
        const record = await this.#readNewest(vmId);
        if (record !== null) records.push(record);
      }
      return records;
    });
  }

  async #readNewest(vmId: string): Promise<OwnershipRecord | null> {
    const { files } = this.#store.env;
    const directory = this.#directory(vmId);
    for (let attempt = 0; attempt < READ_ATTEMPTS_MAX; attempt += 1) {
      const revision = newestRevision(await this.#namesIn(directory));
      if (revision === 0) return null;
      try {
        const bytes = await files.readFile(`${directory}/${revision}.json`, OWNERSHIP_RECORD_BYTES_MAX);
        // What was read is acted on, so it must not be undone by a power cut; its writer may not have come that far.
        await files.syncDirectory(directory);
        return requireRevision(parseOwnershipRecord(bytes, vmId), revision);
      } catch (error) {
        if (!isSystemError(error, 'ENOENT')) throw error;
      }
    }
    throw new KelpieError(
      'store_unavailable',
      `the record of VM ${vmId} changes faster than it can be read: try again.`,
    );
  }

  /** The moment of decision; durable when it resolves. */
  async #put(part: string, directory: string, next: OwnershipRecord): Promise<void> {
    const { files } = this.#store.env;
    try {
      await files.link(part, `${directory}/${next.revision}.json`);
    } catch (error) {
      // A part that went away was overtaken: see `#trim`.
      if (isSystemError(error, 'EEXIST', 'ENOENT')) throw recordConflict(next, error);
      throw error;
    }
    await files.syncDirectory(directory);
    const newest = newestRevision(await files.list(directory));
    if (newest - next.revision < REVISIONS_KEPT) return;
    throw recordOvertaken(next);
  }

  /** Removes old revisions, and what writers have left that wanted to be a revision that exists. */
  async #trim(directory: string, names: readonly string[], newest: number): Promise<void> {
    for (const name of names) {
      const revision = revisionOf(name);
      const isOld = name.endsWith('.json') ? revision <= newest - REVISIONS_KEPT : revision <= newest;
      if (revision > 0 && isOld) await this.#store.env.files.removeTree(`${directory}/${name}`);
    }
  }

  async #makeDirectory(directory: string, isFirst: boolean): Promise<void> {
    if (!isFirst) return;
    const { files } = this.#store.env;
    await this.#store.layOut();
    try {
      await files.makeDirectoryExclusive(directory);
    } catch (error) {
      if (!isSystemError(error, 'EEXIST')) throw error;
    }
    await files.syncDirectory(this.#store.directory('ownership'));
  }

  async #namesIn(directory: string): Promise<readonly string[]> {
    return (await this.#store.ifThere(async () => await this.#store.env.files.list(directory))) ?? [];
  }

  #directory(vmId: string): string {
    assert(isUuid(vmId), 'a VM is named by a UUID');
    return `${this.#store.directory('ownership')}/${vmId}`;
  }
}

/** 0 for what is no revision and no part of one. */
function revisionOf(name: string): number {
  return Number(namePattern.exec(name)?.groups?.['revision'] ?? 0);
}

/** 0 when there is none. */
function newestRevision(names: readonly string[]): number {
  return Math.max(0, ...names.filter((name) => name.endsWith('.json')).map(revisionOf));
}

/** @throws KelpieError `package_corrupt` when the file is named by another revision. */
function requireRevision(record: OwnershipRecord, revision: number): OwnershipRecord {
  if (record.revision === revision) return record;
  const message = `the record of who may run VM ${record.vmId} cannot be used: it is of another revision.`;
  throw new KelpieError('package_corrupt', message);
}
