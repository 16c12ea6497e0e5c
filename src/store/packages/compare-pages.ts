/**
 * Pages that were written since the snapshot before and are as they were: found by comparing their bytes, they need not be sent. Guests write many
 * such pages (a page table that was rebuilt, a buffer that was filled again with the same).
 */
import { defined } from '../../base/assert.ts';
import type { Bytes } from '../../base/bytes.ts';
import { throwIfCanceled } from '../../base/cancel.ts';
import { isKelpieError } from '../../base/errors.ts';
import { OneInFlight } from '../../base/one-in-flight.ts';
import { MIB, PAGE_BYTES } from '../../base/units.ts';
import type { PureCompute } from '../../env/compute.ts';
import { at } from '../../snapshot/mapped-runs.ts';
import type { OpenPageFiles, PagePiece } from '../../snapshot/open-page-files.ts';
import { NO_FRAME, PagePlanBuilder } from './page-plan.ts';
import type { PagePlan } from './page-plan.ts';

/** Pages that are read and compared at once, from both sides. */
const COMPARED_PAGES_MAX: number = MIB / PAGE_BYTES;

export interface ComparedSide {
  readonly plan: PagePlan;
  readonly files: OpenPageFiles;
}

interface Options {
  readonly compute: Pick<PureCompute, 'isEqual'>;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The pages of `mine` without a frame that are the same in `base`, which has frames for them, with these frames.
 * @throws KelpieError `canceled`, `snapshot_corrupt` of `mine`. A base that cannot be read is the same nowhere.
 */
export async function findEqualPages(
  mine: ComparedSide,
  base: ComparedSide,
  options: Options,
): Promise<PagePlan> {
  const equal = new PagePlanBuilder(mine.plan.files);
  const reader = new PairReader(mine, base);
  const batches = batchesOf(pairs(mine.plan, base.plan));
  try {
    for (const batch of batches) {
      throwIfCanceled(options.signal, 'comparing the snapshot with the one before');
      const read = await reader.swap(batch);
      if (read !== null) keepEqual(read, equal, options.compute);
    }
    const last = await reader.swap(null);
    if (last !== null) keepEqual(last, equal, options.compute);
  } finally {
    await reader.end();
  }
  return equal.finish();
}

interface ReadPairs {
  readonly batch: readonly Pair[];
  readonly own: Bytes;
  readonly before: Bytes;
}

/** Reads one batch, both sides at once, while the one before it is compared. */
class PairReader {
  readonly #mine: ComparedSide;
  readonly #base: ComparedSide;
  /** As large as was needed so far. */
  readonly #buffers: Bytes[] = Array.from({ length: 4 }, () => new Uint8Array(0));
  readonly #reads = new OneInFlight();
  #ahead: ReadPairs | null = null;

  constructor(mine: ComparedSide, base: ComparedSide) {
    this.#mine = mine;
    this.#base = base;
  }

  /** Begins to read `next`. @returns what was begun before it, read; null when there was none, or its base cannot be read. */
  async swap(next: readonly Pair[] | null): Promise<ReadPairs | null> {
    await this.#reads.end();
    const read = this.#ahead;
    this.#ahead = null;
    if (next !== null) await this.#reads.begin(async () => await this.#read(next));
    return read;
  }

  async end(): Promise<void> {
    await this.#reads.abandon();
  }

  async #read(batch: readonly Pair[]): Promise<void> {
    const sizeBytes = batch.reduce((sum, { count }) => sum + count, 0) * PAGE_BYTES;
    const [own, before] = [this.#takeBuffer(sizeBytes), this.#takeBuffer(sizeBytes)];
    const both = await Promise.allSettled([
      this.#mine.files.read(piecesOf(batch, this.#mine.plan.files, 'source'), own),
      this.#base.files.read(piecesOf(batch, this.#base.plan.files, 'baseSource'), before),
    ]);
    const [ownRead, baseRead] = both;
    if (ownRead.status === 'rejected') throw ownRead.reason;
    if (baseRead.status === 'fulfilled') this.#ahead = { batch, own, before };
    // The snapshot before is a help only: without it, its pages are sent.
    else if (!isKelpieError(baseRead.reason, 'snapshot_corrupt')) throw baseRead.reason;
  }

  /** In turn: what was given two batches ago is compared by now. */
  #takeBuffer(sizeBytes: number): Bytes {
    const last = defined(this.#buffers.shift(), 'a buffer');
    const buffer = last.byteLength < sizeBytes ? new Uint8Array(sizeBytes) : last;
    this.#buffers.push(buffer);
    return buffer.subarray(0, sizeBytes);
  }
}

/** Pages that both have, mine without a frame, the base's with one. */
interface Pair {
  readonly firstPage: number;
  readonly count: number;
  readonly file: number;
  readonly source: number;
  readonly baseFile: number;
  readonly baseSource: number;
  readonly frame: number;
  readonly framePage: number;
}

function* pairs(mine: PagePlan, base: PagePlan): Generator<Pair> {
  const [own, other] = [mine.columns, base.columns];
  for (let i = 0, j = 0; i < own.first.length && j < other.first.length;) {
    const [ownEnd, otherEnd] = [at(own.first, i) + at(own.count, i), at(other.first, j) + at(other.count, j)];
    const firstPage = Math.max(at(own.first, i), at(other.first, j));
    const count = Math.min(ownEnd, otherEnd) - firstPage;
    if (count > 0 && own.frame[i] === NO_FRAME && other.frame[j] !== NO_FRAME) {
      const [ownSkipped, skipped] = [firstPage - at(own.first, i), firstPage - at(other.first, j)];
      yield {
        firstPage,
        count,
        file: at(own.file, i),
        source: at(own.source, i) + ownSkipped,
        baseFile: at(other.file, j),
        baseSource: at(other.source, j) + skipped,
        frame: at(other.frame, j),
        framePage: at(other.framePage, j) + skipped,
      };
    }
    if (ownEnd <= otherEnd) i += 1;
    if (otherEnd <= ownEnd) j += 1;
  }
}

function* batchesOf(all: Iterable<Pair>): Generator<readonly Pair[]> {
  let batch: Pair[] = [];
  let pages = 0;
  for (const pair of all) {
    for (let done = 0; done < pair.count;) {
      const count = Math.min(pair.count - done, COMPARED_PAGES_MAX - pages);
      batch.push(partOf(pair, done, count));
      done += count;
      pages += count;
      if (pages < COMPARED_PAGES_MAX) continue;
      yield batch;
      batch = [];
      pages = 0;
    }
  }
  if (batch.length > 0) yield batch;
}

function partOf(pair: Pair, skipped: number, count: number): Pair {
  const { firstPage, source, baseSource, framePage } = pair;
  return {
    ...pair,
    firstPage: firstPage + skipped,
    count,
    source: source + skipped,
    baseSource: baseSource + skipped,
    framePage: framePage + skipped,
  };
}

function piecesOf(
  batch: readonly Pair[],
  files: readonly string[],
  side: 'source' | 'baseSource',
): readonly PagePiece[] {
  return batch.map((pair) => ({
    pageFile: defined(files[side === 'source' ? pair.file : pair.baseFile], 'the file of a pair'),
    sourcePage: pair[side],
    count: pair.count,
  }));
}

function keepEqual(
  { batch, own, before }: ReadPairs,
  equal: PagePlanBuilder,
  compute: Pick<PureCompute, 'isEqual'>,
): void {
  let offset = 0;
  for (const pair of batch) {
    let sameFrom = 0;
    for (let page = 0; page <= pair.count; page += 1) {
      const [start, end] = [offset + page * PAGE_BYTES, offset + (page + 1) * PAGE_BYTES];
      if (page < pair.count && compute.isEqual(own.subarray(start, end), before.subarray(start, end)))
        continue;
      if (page > sameFrom) {
        const same = partOf(pair, sameFrom, page - sameFrom);
        equal.append(same.firstPage, same.count, same.file, same.source);
        equal.place(same.frame, same.framePage);
      }
      sameFrom = page + 1;
    }
    offset += pair.count * PAGE_BYTES;
  }
}

/** `plan`, with the frames of `equal` for the pages that it names. */
export function withEqualPages(plan: PagePlan, equal: PagePlan): PagePlan {
  const merged = new PagePlanBuilder(plan.files);
  const { first, count, file, source, frame, framePage } = plan.columns;
  const same = equal.columns;
  for (let index = 0, next = 0; index < first.length; index += 1) {
    const firstPage = at(first, index);
    const endPage = firstPage + at(count, index);
    for (let page = firstPage; page < endPage;) {
      const samePage = next < same.first.length ? at(same.first, next) : Infinity;
      const isSame = samePage === page;
      const end = isSame ? page + at(same.count, next) : Math.min(endPage, samePage);
      merged.append(page, end - page, at(file, index), at(source, index) + (page - firstPage));
      if (isSame) merged.place(at(same.frame, next), at(same.framePage, next));
      else if (frame[index] !== NO_FRAME)
        merged.place(at(frame, index), at(framePage, index) + (page - firstPage));
      if (isSame) next += 1;
      page = end;
    }
  }
  return merged.finish();
}
