/** Pages of the checkpoint before, by their digests: what did not change is referred to, wherever it lies now. */
import { throwIfCanceled } from '../base/cancel.ts';
import type { Bytes } from '../base/bytes.ts';
import { PAGE_BYTES } from '../base/units.ts';
import type { Env } from '../env/env.ts';
import { OpenPageFiles } from '../snapshot/open-page-files.ts';
import type { PageMap } from '../snapshot/page-map.ts';
import { KNOWN_PAGES_MAX } from './limits.ts';
import { PageSums, pageSum } from './rolling-sum.ts';

/** Half a SHA-256: nobody finds two pages that share it, and a table of them is half as large. */
const KEY_DIGITS = 32;
/** Pages that are read at once. */
const READ_PAGES = 256;

export interface PagePlace {
  /** UUID of the page file. */
  readonly pageFile: string;
  readonly page: number;
}

export class KnownPages {
  readonly #compute: Pick<Env['compute'], 'sha256'>;
  readonly #places = new Map<string, PagePlace>();
  /** Of the pages of the checkpoint before: a page that begins anywhere is looked for among these. */
  readonly sums: PageSums = new PageSums();

  constructor(compute: Pick<Env['compute'], 'sha256'>) {
    this.#compute = compute;
  }

  /** A page's name here. */
  keyOf(page: Bytes): string {
    return this.#compute.sha256(page).slice(0, KEY_DIGITS);
  }

  find(key: string): PagePlace | null {
    return this.#places.get(key) ?? null;
  }

  add(key: string, place: PagePlace): void {
    if (this.#places.size < KNOWN_PAGES_MAX) this.#places.set(key, place);
  }

  /** Reads all pages of a map. @throws KelpieError `snapshot_corrupt`, `canceled`. */
  async addAll(
    { files }: Pick<Env, 'files'>,
    map: PageMap,
    pathOf: (pageFile: string) => string,
    signal: AbortSignal,
  ): Promise<void> {
    const open = new OpenPageFiles(files, pathOf);
    const buffer = new Uint8Array(READ_PAGES * PAGE_BYTES);
    try {
      for (const { pageFile, sourcePage, count } of map.runs()) {
        for (let done = 0; done < count && this.#places.size < KNOWN_PAGES_MAX;) {
          throwIfCanceled(signal, 'the checkpoint');
          const pages = Math.min(READ_PAGES, count - done);
          const into = buffer.subarray(0, pages * PAGE_BYTES);
          await open.read([{ pageFile, sourcePage: sourcePage + done, count: pages }], into);
          for (let page = 0; page < pages; page += 1) {
            const bytes = into.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES);
            this.sums.add(pageSum(bytes, 0));
            this.add(this.keyOf(bytes), { pageFile, page: sourcePage + done + page });
          }
          done += pages;
        }
      }
    } finally {
      await open.close();
    }
  }
}
