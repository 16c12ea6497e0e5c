/**
 * The archive of a checkpoint, as it is written: the bytes of each file in the order of the entries, the state of each application, and the index.
 * The index says no pages: where a file begins follows from those before it, so that a file that grew does not change what is said of the others.
 */
import { utf8 } from '../base/bytes.ts';
import type { Bytes } from '../base/bytes.ts';
import { canonicalJson } from '../base/canonical-json.ts';
import { KelpieError } from '../base/errors.ts';
import type { PageMap } from '../snapshot/page-map.ts';
import type { ArchiveEntry } from './entry.ts';
import { INDEX_BYTES_MAX } from './limits.ts';
import type { ArchivePart, PageGatherer } from './page-gatherer.ts';

export class ArchiveWriter {
  readonly #pages: PageGatherer;
  readonly #lines: Bytes[] = [];
  #indexBytes = 0;
  #contentBytes = 0;

  constructor(pages: PageGatherer) {
    this.#pages = pages;
  }

  get entryCount(): number {
    return this.#lines.length;
  }
  get contentBytes(): number {
    return this.#contentBytes;
  }

  /** The next entry, and its bytes, of which there are as many as it says. @throws KelpieError `limit_exceeded`. */
  async add(entry: ArchiveEntry, content: AsyncIterable<Bytes>): Promise<void> {
    for await (const bytes of content) await this.#pages.write(bytes);
    const { segments } = await this.#pages.endPart();
    this.#contentBytes += entry.sizeBytes;
    const line = utf8(`${canonicalJson({ ...entry, segments })}\n`);
    this.#indexBytes += line.byteLength;
    if (this.#indexBytes > INDEX_BYTES_MAX)
      throw new KelpieError('limit_exceeded', 'the workspace has too many files: declare less of it.');
    this.#lines.push(line);
  }

  async addState(state: Bytes): Promise<ArchivePart> {
    await this.#pages.write(state);
    return this.#pages.endPart();
  }

  /** After everything else. */
  async finish(): Promise<{ readonly index: ArchivePart; readonly map: PageMap }> {
    for (const line of this.#lines) await this.#pages.write(line);
    const index = await this.#pages.endPart();
    return { index, map: await this.#pages.finish() };
  }
}
