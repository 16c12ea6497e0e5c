import { asError, isKelpieError } from '../base/errors.ts';
import { assert } from '../base/assert.ts';
import { MIB } from '../base/units.ts';
import { isUuid } from '../base/uuid.ts';
import { makeDurable } from '../env/durable-files.ts';
import { listIfThere } from '../env/list-if-there.ts';
import { isSystemError } from '../env/system-error.ts';
import { attemptLocally } from '../snapshot/local-failure.ts';
import { decodeStoreMap, encodeStoreMap } from '../store/packages/store-map-codec.ts';
import type { Bytes } from '../base/bytes.ts';
import type { Env } from '../env/env.ts';
import type { PlaceBook } from '../store/packages/place-book.ts';
import type { StoreMap } from '../store/packages/store-map.ts';
import type { Log, TeleportHost } from './teleport-host.ts';

/** Longest map that is kept of one file. What is longer is not written down: its pages would be sent again. */
const PLACES_BYTES_MAX: number = 64 * MIB;
const EXTENSION = '.map';

/**
 * The places of this host's files in one store: `places/STORE/FILE.map`, an encoded store map each (docs/FORMAT.md). They are swept
 * with the blobs that they speak of.
 *
 * A map is replaced by a rename, and synced when a publish ends: its digest tells what a power cut has cut, and what is lost costs bytes only. It
 * cannot say anything wrong either: files of this host never change, and no pack's name is ever used again.
 */
export class PlaceFiles implements PlaceBook {
  readonly #env: Pick<Env, 'files' | 'compute'>;
  readonly #directory: string;
  readonly #log: Pick<Log, 'error'>;

  /** @param directory of the store, by its id: `HostPlaces.places`. */
  constructor(env: Pick<Env, 'files' | 'compute'>, directory: string, log: Pick<Log, 'error'>) {
    this.#env = env;
    this.#directory = directory;
    this.#log = log;
  }

  async of(file: string): Promise<StoreMap | null> {
    const bytes = await attemptLocally('look up what the store has', () => this.#read(file));
    if (bytes === null) return null;
    try {
      return decodeStoreMap(bytes, this.#env.compute);
    } catch (error) {
      if (!isKelpieError(error, 'package_corrupt', 'package_too_new')) throw error;
      this.#log.error({ event: 'places-unreadable', file, err: error });
      return null;
    }
  }

  /** Every file of which something is written down, what was written last first. @throws SystemError. */
  async newestFirst(): Promise<readonly { readonly file: string; readonly sizeBytes: number }[]> {
    const { files } = this.#env;
    const found: { readonly file: string; readonly sizeBytes: number; readonly modifiedMs: number }[] = [];
    for (const name of await listIfThere(files, this.#directory)) {
      const file = name.slice(0, -EXTENSION.length);
      if (!name.endsWith(EXTENSION) || !isUuid(file)) continue;
      const { sizeBytes, modifiedMs } = await files.stat(this.#path(file));
      found.push({ file, sizeBytes, modifiedMs });
    }
    return found.toSorted((a, b) => b.modifiedMs - a.modifiedMs);
  }

  async set(file: string, places: StoreMap): Promise<void> {
    const bytes = encodeStoreMap(places, this.#env.compute);
    if (bytes.byteLength > PLACES_BYTES_MAX) return;
    await this.#orTell(file, async () => await this.#write(file, bytes));
  }

  async settle(files: readonly string[]): Promise<void> {
    for (const file of files) await this.#orTell(file, async () => await this.#settle(file));
  }

  /** A transfer that succeeds must not fail over a note that only makes the next one cheaper. */
  async #orTell(file: string, act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      if (!isSystemError(error)) throw error;
      this.#log.error({ event: 'places-not-kept', file, err: asError(error) });
    }
  }

  async #read(file: string): Promise<Bytes | null> {
    try {
      return await this.#env.files.readFile(this.#path(file), PLACES_BYTES_MAX);
    } catch (error) {
      if (isSystemError(error, 'ENOENT', 'EFBIG')) return null;
      throw error;
    }
  }

  async #settle(file: string): Promise<void> {
    try {
      await makeDurable(this.#env.files, this.#path(file));
    } catch (error) {
      // It was too long to be kept.
      if (!isSystemError(error, 'ENOENT')) throw error;
    }
  }

  async #write(file: string, bytes: Bytes): Promise<void> {
    const { files } = this.#env;
    const path = this.#path(file);
    await files.makeDirectory(this.#directory);
    const handle = await files.open(`${path}.new`, 'w');
    try {
      await handle.write(bytes, 0);
    } finally {
      await handle.close();
    }
    await files.rename(`${path}.new`, path);
  }

  #path(file: string): string {
    assert(isUuid(file), 'a file of this host is named by a UUID');
    return `${this.#directory}/${file}${EXTENSION}`;
  }
}

/** What of this host's files is in a store. @param storeId `Store.id`. */
export function placesIn(host: Pick<TeleportHost, 'env' | 'places' | 'log'>, storeId: string): PlaceFiles {
  return new PlaceFiles(host.env, host.places.places(storeId), host.log);
}
