/**
 * What this host tells stores of itself, so that others know what can go on here before they send it. Told with each use of a store, when the store does not
 * have it yet or the facts have changed since; a failure costs nobody anything but that knowledge.
 */
import { canonicalJson } from '../base/canonical-json.ts';
import { isKelpieError } from '../base/errors.ts';
import { KELPIE_VERSION } from '../base/version.ts';
import { onOneLine, toFactsDocument } from '../snapshot/compatibility/facts-document.ts';
import type { HostRecord } from '../store/hosts/host-record.ts';
import type { HostRecords } from '../store/hosts/host-records.ts';
import type { ActOptions } from '../store/objects/object-store.ts';
import { readHostFacts } from './host-facts.ts';
import type { FactsHost } from './host-facts.ts';
import type { TeleportHost } from './teleport-host.ts';

/** Stores that are remembered; the one that was told first is forgotten first, and asked again. */
const STORES_REMEMBERED_MAX = 64;

export type TellingHost = FactsHost & Pick<TeleportHost, 'identity' | 'openStore'>;

export class ToldStores {
  readonly #host: TellingHost;
  /** What was found or put there last, by the store's URL. */
  readonly #told = new Map<string, string>();

  constructor(host: TellingHost) {
    this.#host = host;
  }

  /** Those that this process has told. */
  get urls(): readonly string[] {
    return [...this.#told.keys()];
  }

  /** The store knows this host as it is when this resolves; it is asked only when this process does not know what it has. @throws KelpieError as `HostRecords.write`. */
  async tell(storeUrl: string, options: ActOptions = {}): Promise<void> {
    const record = await this.#describe();
    const words = wordsOf(record);
    if (this.#told.get(storeUrl) === words) return;
    const { hosts } = await this.#host.openStore(storeUrl);
    const found = await readOwn(hosts, record.hostId, options);
    if (found === null || wordsOf(found) !== words) await hosts.write(record, options);
    this.#remember(storeUrl, words);
  }

  /** The same, written whatever the store has. */
  async tellAnew(storeUrl: string): Promise<HostRecord> {
    const record = await this.#describe();
    const { hosts } = await this.#host.openStore(storeUrl);
    await hosts.write(record);
    this.#remember(storeUrl, wordsOf(record));
    return record;
  }

  async #describe(): Promise<HostRecord> {
    const { env, identity } = this.#host;
    return {
      hostId: identity.id,
      name: onOneLine(identity.name),
      kelpieVersion: KELPIE_VERSION,
      toldAtUnixMs: Math.round(env.clock.wallMs()),
      facts: toFactsDocument(await readHostFacts(this.#host)),
    };
  }

  #remember(storeUrl: string, words: string): void {
    this.#told.delete(storeUrl);
    this.#told.set(storeUrl, words);
    const [first] = this.#told.keys();
    if (this.#told.size > STORES_REMEMBERED_MAX && first !== undefined) this.#told.delete(first);
  }
}

/** Null for none, and for one that cannot be used: it is replaced. */
async function readOwn(hosts: HostRecords, hostId: string, options: ActOptions): Promise<HostRecord | null> {
  try {
    return await hosts.read(hostId, options);
  } catch (error) {
    if (isKelpieError(error, 'package_corrupt', 'permission_denied')) return null;
    throw error;
  }
}

/** All but the time. */
function wordsOf({ hostId, name, kelpieVersion, facts }: HostRecord): string {
  return canonicalJson({ hostId, name, kelpieVersion, facts });
}
