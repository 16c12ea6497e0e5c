/** What hosts say of themselves in a store: `hosts/HOST`, each written by its host alone. */
import type { Bytes } from '../../base/bytes.ts';
import { KelpieError } from '../../base/errors.ts';
import { inParallel } from '../../base/in-parallel.ts';
import { HOSTS_LISTED_MAX } from '../limits.ts';
import { listAll } from '../objects/list-all.ts';
import { isObjectKey } from '../objects/object-key.ts';
import type { ActOptions, ObjectStore } from '../objects/object-store.ts';
import { REQUESTS_AT_ONCE } from '../packages/limits.ts';
import { requirePublisher } from '../packages/sealing.ts';
import type { DocumentSealer } from '../packages/sealing.ts';
import { encodeHostRecord, parseHostRecord } from './host-record.ts';
import type { HostRecord, SignedHostRecord } from './host-record.ts';

const PREFIX = 'hosts/';

export type HostListing =
  | { readonly damaged: false; readonly record: SignedHostRecord }
  /** There is something under its key that cannot be used. */
  | { readonly damaged: true; readonly hostId: string; readonly reason: string };

export interface HostStore {
  readonly objects: ObjectStore;
  readonly sealing: DocumentSealer;
  /** Makes the place a store, when it is none yet. */
  readonly ensureRoot: () => Promise<unknown>;
}

/**
 * One writer for each key, so that plain puts do. A late copy of an older put may undo a newer one until the host tells again: whoever
 * believes it is refused by the host itself, which looks before it takes a VM.
 */
export class HostRecords {
  readonly #store: HostStore;

  constructor(store: HostStore) {
    this.#store = store;
  }

  /** Null when the host has told nothing. @throws KelpieError `store_unavailable`, and as `parseHostRecord`. */
  async read(hostId: string, options: ActOptions = {}): Promise<SignedHostRecord | null> {
    const key = keyOf(hostId);
    if (key === null) return null;
    const object = await this.#store.objects.get(key, options);
    return object === null ? null : this.#parse(hostId, object.bytes);
  }

  /** Durable and whole when it resolves. @throws KelpieError `permission_denied` when this host may not write there, `invalid_argument`, `store_unavailable`. */
  async write(record: HostRecord, options: ActOptions = {}): Promise<void> {
    const key = keyOf(record.hostId);
    if (key === null)
      throw new KelpieError('invalid_argument', `${JSON.stringify(record.hostId)} is no id of a host.`);
    const { objects, sealing, ensureRoot } = this.#store;
    requirePublisher(sealing);
    await ensureRoot();
    await objects.put(key, encodeHostRecord(sealing, record), options);
  }

  /** No error when there is none: it comes back when the host uses the store again. */
  async remove(hostId: string): Promise<void> {
    const key = keyOf(hostId);
    if (key !== null) await this.#store.objects.delete(key);
  }

  /** In the order of ids, damaged ones too. @throws KelpieError `limit_exceeded` for more than `HOSTS_LISTED_MAX`, `store_unavailable`. */
  async list(options: ActOptions = {}): Promise<readonly HostListing[]> {
    const hostIds: string[] = [];
    for await (const { key } of listAll(this.#store.objects, PREFIX, options)) {
      const hostId = key.slice(PREFIX.length);
      if (keyOf(hostId) === null) continue;
      if (hostIds.length === HOSTS_LISTED_MAX) throw this.#tooMany();
      hostIds.push(hostId);
    }
    const listings = new Map<string, HostListing>();
    const read = async (hostId: string, signal: AbortSignal): Promise<void> => {
      const listing = await this.#listing(hostId, { signal });
      if (listing !== null) listings.set(hostId, listing);
    };
    await inParallel(hostIds, REQUESTS_AT_ONCE, read, options.signal);
    return hostIds.flatMap((hostId) => listings.get(hostId) ?? []);
  }

  async #listing(hostId: string, options: ActOptions): Promise<HostListing | null> {
    const object = await this.#store.objects.get(PREFIX + hostId, options);
    if (object === null) return null;
    try {
      return { damaged: false, record: this.#parse(hostId, object.bytes) };
    } catch (error) {
      if (!(error instanceof KelpieError)) throw error;
      return { damaged: true, hostId, reason: error.message };
    }
  }

  #parse(hostId: string, bytes: Bytes): SignedHostRecord {
    return parseHostRecord(this.#store.sealing, hostId, bytes);
  }

  #tooMany(): KelpieError {
    const message = `more than ${HOSTS_LISTED_MAX} hosts have told ${this.#store.objects.url} of themselves: forget those that are gone with \`kelpie store hosts --forget\`.`;
    return new KelpieError('limit_exceeded', message);
  }
}

/** Null for what no host is called. */
function keyOf(hostId: string): string | null {
  const key = `${PREFIX}${hostId}`;
  return hostId !== '' && !hostId.includes('/') && isObjectKey(key) ? key : null;
}
