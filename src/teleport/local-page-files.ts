/**
 * What of a package this host may have already, in files of its own: of snapshots that it took and sent, of packages that it downloaded, also of VMs that have left. The
 * notes of what a store has of them (`place-files.ts`), which a publish goes by, are read the other way round.
 *
 * All of this only saves bytes: what cannot be read here is downloaded.
 */
import { defined } from '../base/assert.ts';
import { asError, isKelpieError } from '../base/errors.ts';
import { MIB } from '../base/units.ts';
import { isUuid } from '../base/uuid.ts';
import { listIfThere } from '../env/list-if-there.ts';
import { isSameDisk } from '../env/same-disk.ts';
import { isSystemError } from '../env/system-error.ts';
import { OpenPageFiles } from '../snapshot/open-page-files.ts';
import { isDirectoryUrl, pathOfStore } from '../store/store-url.ts';
import { placesIn } from './place-files.ts';
import type { LocalPageFiles, LocalPageUse } from '../store/teleport-storage.ts';
import type { StoreMap } from '../store/packages/store-map.ts';
import type { PlaceFiles } from './place-files.ts';
import type { TeleportHost } from './teleport-host.ts';

/** Notes that are read for one memory or disk, the newest: a file of 300 MB has about 100 kB of them. */
const NOTES_BYTES_MAX: number = 16 * MIB;

type LocalHost = Pick<TeleportHost, 'env' | 'places' | 'log'>;

export class LocalPagesOfStore implements LocalPageFiles {
  readonly #host: LocalHost;
  readonly #storeUrl: string;
  readonly #book: PlaceFiles;
  /** By UUID, of those that were named. */
  readonly #paths = new Map<string, string>();

  /** Nothing that it names may be collected meanwhile. @param store its `Store.id`, and where it is. */
  constructor(host: LocalHost, store: { readonly id: string; readonly url: string }) {
    this.#host = host;
    this.#storeUrl = store.url;
    this.#book = placesIn(host, store.id);
  }

  async *places(): AsyncGenerator<{ readonly file: string; readonly places: StoreMap }, void> {
    let bytesLeft = NOTES_BYTES_MAX;
    try {
      if (await this.#isNear()) return;
      await this.#findFiles();
      for (const { file, sizeBytes } of await this.#book.newestFirst()) {
        bytesLeft -= sizeBytes;
        if (bytesLeft < 0) return;
        const places = this.#paths.has(file) ? await this.#book.of(file) : null;
        if (places !== null) yield { file, places };
      }
    } catch (error) {
      if (!isSystemError(error) && !isKelpieError(error)) throw error;
      this.#host.log.error({ event: 'local-pages-not-looked-up', err: asError(error) });
    }
  }

  open(): OpenPageFiles {
    const pathOf = (file: string): string => defined(this.#paths.get(file), 'a file that was named');
    return new OpenPageFiles(this.#host.env.files, pathOf, { zerosAfterEnd: true });
  }

  used({ item, usedBytes, doubtedFrames, cause }: LocalPageUse): void {
    if (usedBytes > 0) this.#host.log.info({ event: 'local-pages-used', item, usedBytes });
    if (doubtedFrames === 0) return;
    this.#host.log.error({ event: 'local-pages-doubted', item, doubtedFrames, err: cause });
  }

  /** On the very disk that this host's files are on: there a frame is read in half the time that proving it takes, and nothing moves. */
  async #isNear(): Promise<boolean> {
    if (!isDirectoryUrl(this.#storeUrl)) return false;
    const { files } = this.#host.env;
    const [store, own] = [pathOfStore(this.#storeUrl), this.#host.places.home];
    return isSameDisk(await files.stat(store), await files.stat(own));
  }

  /** Page files and layers; of a note that is left over, there is none any more. */
  async #findFiles(): Promise<void> {
    const { blobDirectory } = this.#host.places;
    for (const name of await listIfThere(this.#host.env.files, blobDirectory)) {
      const [id = '', extension, ...more] = name.split('.');
      if (isUuid(id) && extension !== undefined && more.length === 0)
        this.#paths.set(id, `${blobDirectory}/${name}`);
    }
  }
}
