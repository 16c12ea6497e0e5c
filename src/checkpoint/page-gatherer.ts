/** Lays bytes out in the pages of an archive. Pages that are known already, or zero, cost nothing; the others go to one page file, back to back. */
import type { Bytes } from '../base/bytes.ts';
import { KelpieError } from '../base/errors.ts';
import { MIB, PAGE_BYTES, formatBytes } from '../base/units.ts';
import type { Compute } from '../env/compute.ts';
import type { FileHandle } from '../env/files.ts';
import { CHECKPOINT_PAGES } from '../snapshot/page-counts.ts';
import { PageMap } from '../snapshot/page-map.ts';
import type { MappedRun } from '../snapshot/page-map.ts';
import type { KnownPages, PagePlace } from './known-pages.ts';
import { ARCHIVE_PAGES_MAX, SEGMENT_BYTES_MAX } from './limits.ts';
import { PageCutter } from './page-cutter.ts';

const WRITE_BYTES: number = MIB;

/** Bytes in the archive: from a page on, in segments, each from a page of its own on. */
export interface ArchivePart {
  readonly page: number;
  /** Bytes of each. */
  readonly segments: readonly number[];
}

export class PageGatherer {
  readonly #compute: Pick<Compute, 'isZero'>;
  readonly #known: KnownPages;
  readonly #file: FileHandle;
  readonly #pageFile: string;
  readonly #cutter: PageCutter;
  readonly #runs: MutableRun[] = [];
  #segments: number[] = [];
  /** Of the segment that is not in the list yet. */
  #segmentBytes = 0;
  #partPage = 0;
  #nextPage = 0;
  /** New pages that wait to be written, and those that were. */
  readonly #waiting = new Uint8Array(WRITE_BYTES);
  #waitingBytes = 0;
  #writtenBytes = 0;

  /** @param pageFile the UUID of `file`, which is empty. */
  constructor(compute: Pick<Compute, 'isZero'>, known: KnownPages, pageFile: string, file: FileHandle) {
    this.#compute = compute;
    this.#known = known;
    this.#pageFile = pageFile;
    this.#file = file;
    this.#cutter = new PageCutter(compute, known, { add: (page, key) => this.#add(page, key) });
  }

  /** Bytes of pages that no earlier checkpoint had. */
  get newBytes(): number {
    return this.#writtenBytes + this.#waitingBytes;
  }

  /** The next bytes of the part. @throws KelpieError `limit_exceeded`. */
  async write(bytes: Bytes): Promise<void> {
    await this.#cutter.write(bytes);
  }

  /** The part ends; the next bytes are of another. */
  async endPart(): Promise<ArchivePart> {
    await this.#cutter.end();
    this.#endSegment();
    const part = { page: this.#partPage, segments: this.#segments };
    this.#segments = [];
    this.#partPage = this.#nextPage;
    return part;
  }

  /** Everything is in the file, not yet synced. */
  async finish(): Promise<PageMap> {
    await this.#flush();
    return PageMap.of(CHECKPOINT_PAGES, this.#runs);
  }

  async #add(bytes: Bytes, key: string | null): Promise<void> {
    if (this.#nextPage >= ARCHIVE_PAGES_MAX) throw tooLarge();
    const isShort = bytes.byteLength < PAGE_BYTES;
    const page = isShort ? padded(bytes) : bytes;
    if (key !== null || !this.#compute.isZero(page))
      this.#place(await this.#placeOf(page, key ?? this.#known.keyOf(page)));
    this.#nextPage += 1;
    this.#segmentBytes += bytes.byteLength;
    if (isShort || this.#segmentBytes === SEGMENT_BYTES_MAX) this.#endSegment();
  }

  #endSegment(): void {
    if (this.#segmentBytes > 0) this.#segments.push(this.#segmentBytes);
    this.#segmentBytes = 0;
  }

  async #placeOf(page: Bytes, key: string): Promise<PagePlace> {
    const known = this.#known.find(key);
    if (known !== null) return known;
    const place = { pageFile: this.#pageFile, page: this.newBytes / PAGE_BYTES };
    this.#known.add(key, place);
    this.#waiting.set(page, this.#waitingBytes);
    this.#waitingBytes += PAGE_BYTES;
    if (this.#waitingBytes === WRITE_BYTES) await this.#flush();
    return place;
  }

  #place({ pageFile, page }: PagePlace): void {
    const last = this.#runs.at(-1);
    const goesOn =
      last?.pageFile === pageFile &&
      last.sourcePage + last.count === page &&
      last.firstPage + last.count === this.#nextPage;
    if (goesOn) last.count += 1;
    else this.#runs.push({ firstPage: this.#nextPage, count: 1, pageFile, sourcePage: page });
  }

  async #flush(): Promise<void> {
    if (this.#waitingBytes === 0) return;
    await this.#file.write(this.#waiting.subarray(0, this.#waitingBytes), this.#writtenBytes);
    this.#writtenBytes += this.#waitingBytes;
    this.#waitingBytes = 0;
  }
}

type MutableRun = { -readonly [K in keyof MappedRun]: MappedRun[K] };

function padded(bytes: Bytes): Bytes {
  const page = new Uint8Array(PAGE_BYTES);
  page.set(bytes);
  return page;
}

function tooLarge(): KelpieError {
  const sizeMax = formatBytes(ARCHIVE_PAGES_MAX * PAGE_BYTES);
  return new KelpieError('limit_exceeded', `the workspace is larger than ${sizeMax}: declare less of it.`);
}
