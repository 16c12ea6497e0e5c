import { assert, defined } from '../base/assert.ts';
import { fromUtf8Lossy, viewOf } from '../base/bytes.ts';
import type { Bytes } from '../base/bytes.ts';
import { KelpieError } from '../base/errors.ts';
import { OneInFlight } from '../base/one-in-flight.ts';
import { PAGE_BYTES } from '../base/units.ts';
import { BATCH_BYTES_MAX, BATCH_EXTENTS_MAX } from '../env/files.ts';
import type { Extent, FileHandle } from '../env/files.ts';
import { PAGES_MAX } from './limits.ts';
import { PageRunsBuilder } from './page-runs.ts';
import type { PageRuns } from './page-runs.ts';
import { SPARSE_HEADER_BYTES, SPARSE_MAGIC, SPARSE_RUN_BYTES, SPARSE_VERSION } from './sparse-segment.ts';

/**
 * Writes a sparse segment, which is not trusted, into `target`, which is empty: it gets the full size, the pages at their
 * places, holes for the rest. Nothing of the target may be used before this resolves, and it is not durable then.
 * What is held in memory is the table of runs, which grows with the bytes that have arrived, and two chunks.
 * @param sizeBytes what the memory or disk must measure, known from the snapshot's metadata.
 * @throws KelpieError `package_corrupt`, `package_too_new`; and whatever `bytes` or the target throws.
 */
export async function decodeSparseSegment(
  bytes: AsyncIterable<Bytes>,
  sizeBytes: number,
  target: FileHandle,
): Promise<PageRuns> {
  const isWhole = sizeBytes % PAGE_BYTES === 0 && sizeBytes / PAGE_BYTES <= PAGES_MAX;
  assert(isWhole, 'the size is of whole pages, within bounds');
  const table = new TableReader(sizeBytes / PAGE_BYTES);
  const writes = new OneInFlight();
  let pages: PagePlaces | null = null;
  await target.truncate(sizeBytes);
  try {
    for await (const chunk of bytes) {
      const rest = table.take(chunk);
      const runs = pages === null ? table.finish() : null;
      if (runs !== null) pages = new PagePlaces(runs);
      if (pages !== null) await writePages(rest, pages, target, writes);
    }
    await writes.end();
  } catch (error) {
    await writes.abandon();
    throw error;
  }
  check(pages !== null, 'it ends inside its table');
  check(pages.isAtEnd, 'it ends before its last page');
  return pages.runs;
}

async function writePages(
  chunk: Bytes,
  pages: PagePlaces,
  target: FileHandle,
  writes: OneInFlight,
): Promise<void> {
  for (let offset = 0; offset < chunk.byteLength;) {
    const extents = pages.take(chunk.byteLength - offset);
    const length = extents.reduce((sum, extent) => sum + extent.length, 0);
    const part = chunk.subarray(offset, offset + length);
    await writes.begin(async () => await put(target, extents, part));
    offset += length;
  }
}

/** A single stretch goes the way that does not hold the event loop. */
async function put(target: FileHandle, extents: readonly Extent[], bytes: Bytes): Promise<void> {
  const [first] = extents;
  if (extents.length === 1) await target.write(bytes, defined(first, 'the one extent').offset);
  else await target.writeBatch(extents, bytes);
}

/** Parses the header and the runs, cut anywhere. */
class TableReader {
  readonly #pageCount: number;
  readonly #builder = new PageRunsBuilder();
  /** The header, or the run that is being read. */
  readonly #field = new Uint8Array(SPARSE_HEADER_BYTES);
  #filled = 0;
  /** Null until the header was read. */
  #runsLeft: number | null = null;
  #endPage = -1;

  constructor(pageCount: number) {
    this.#pageCount = pageCount;
  }

  /** Takes what belongs to the table and returns the rest. */
  take(chunk: Bytes): Bytes {
    let offset = 0;
    while (this.#runsLeft !== 0 && offset < chunk.byteLength) {
      const length = this.#runsLeft === null ? SPARSE_HEADER_BYTES : SPARSE_RUN_BYTES;
      const part = chunk.subarray(offset, offset + length - this.#filled);
      this.#field.set(part, this.#filled);
      this.#filled += part.byteLength;
      offset += part.byteLength;
      if (this.#filled < length) break;
      this.#filled = 0;
      if (this.#runsLeft === null) this.#runsLeft = this.#readHeader();
      else this.#runsLeft = this.#readRun(this.#runsLeft);
    }
    return chunk.subarray(offset);
  }

  /** The runs, or null while some are missing. */
  finish(): PageRuns | null {
    return this.#runsLeft === 0 ? this.#builder.finish() : null;
  }

  #readHeader(): number {
    const view = viewOf(this.#field);
    check(fromUtf8Lossy(this.#field.subarray(0, 4)) === SPARSE_MAGIC, 'it does not begin with its magic');
    const version = view.getUint32(4, true);
    if (version > SPARSE_VERSION) throw tooNew(version);
    check(version === SPARSE_VERSION, 'its version does not exist');
    const sizeBytes = BigInt(this.#pageCount * PAGE_BYTES);
    check(view.getBigUint64(8, true) === sizeBytes, 'its size is not the one of the snapshot');
    const runCount = view.getBigUint64(16, true);
    // Runs do not touch, so every other page is the most there can be.
    check(runCount <= BigInt(Math.ceil(this.#pageCount / 2)), 'it has more runs than fit');
    return Number(runCount);
  }

  #readRun(runsLeft: number): number {
    const view = viewOf(this.#field);
    const firstPage = view.getBigUint64(0, true);
    const endPage = firstPage + view.getBigUint64(8, true);
    check(endPage > firstPage && endPage <= BigInt(this.#pageCount), 'a run is empty or lies outside');
    check(Number(firstPage) > this.#endPage, 'its runs overlap, touch or are out of order');
    this.#builder.append(Number(firstPage), Number(endPage - firstPage));
    this.#endPage = Number(endPage);
    return runsLeft - 1;
  }
}

/** Where the bytes of the runs go, handed out in order. */
class PagePlaces {
  readonly runs: PageRuns;
  #run = 0;
  /** Bytes of the run at `#run` that were handed out. */
  #done = 0;

  constructor(runs: PageRuns) {
    this.runs = runs;
  }

  get isAtEnd(): boolean {
    return this.#run === this.runs.length;
  }

  /** Places for the next bytes, at most `length` of them, within the bounds of a batch. */
  take(length: number): readonly Extent[] {
    const extents: Extent[] = [];
    let left = Math.min(length, BATCH_BYTES_MAX);
    while (left > 0 && extents.length < BATCH_EXTENTS_MAX) {
      check(!this.isAtEnd, 'it goes on after its last page');
      const runBytes = this.runs.count(this.#run) * PAGE_BYTES;
      const taken = Math.min(left, runBytes - this.#done);
      extents.push({ offset: this.runs.firstPage(this.#run) * PAGE_BYTES + this.#done, length: taken });
      left -= taken;
      this.#done += taken;
      if (this.#done < runBytes) continue;
      this.#run += 1;
      this.#done = 0;
    }
    return extents;
  }
}

function check(holds: boolean, what: string): asserts holds {
  if (holds) return;
  throw new KelpieError('package_corrupt', `a segment of the package cannot be used: ${what}.`);
}

function tooNew(version: number): KelpieError {
  const message = `a segment is of format ${version}; this Kelpie reads up to ${SPARSE_VERSION}: update it.`;
  return new KelpieError('package_too_new', message);
}
