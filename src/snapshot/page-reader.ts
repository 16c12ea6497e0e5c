import type { Bytes } from '../base/bytes.ts';
import { throwIfCanceled } from '../base/cancel.ts';
import { MIB, PAGE_BYTES } from '../base/units.ts';
import { BATCH_EXTENTS_MAX } from '../env/files.ts';
import type { Extent, Files } from '../env/files.ts';
import { OpenPageFiles } from './open-page-files.ts';
import type { OpenPageFilesOptions } from './open-page-files.ts';
import type { MappedRun, PageMap } from './page-map.ts';

/** Pages of a memory with their places in it. */
export interface PageBatch {
  /** Ascending by offset in the memory; the bytes of all of them are back to back in `bytes`. */
  readonly extents: readonly Extent[];
  /** Belongs to whoever asked for it. */
  readonly bytes: Bytes;
}

/** What is read at once; small enough that a few in flight are nothing, large enough that a call costs nothing. */
const PAGE_BATCH_BYTES: number = MIB;
const BATCH_PAGES: number = PAGE_BATCH_BYTES / PAGE_BYTES;

export interface PageReaderOptions extends OpenPageFilesOptions {
  readonly signal?: AbortSignal | undefined;
  /** Memory for a batch; one that is done with a batch before it asks for the next may give the same again. */
  readonly allocate?: (length: number) => Bytes;
}

/**
 * Every page that is not zero, of a memory or of a disk, in ascending order.
 * @param resolvePath the path of a page file with this UUID.
 * @throws KelpieError `snapshot_corrupt` when a page file is missing or too short, `canceled`.
 */
export async function* readPages(
  files: Files,
  map: PageMap,
  resolvePath: (pageFile: string) => string,
  options: PageReaderOptions = {},
): AsyncGenerator<PageBatch> {
  const { signal, allocate = (length) => new Uint8Array(length) } = options;
  const open = new OpenPageFiles(files, resolvePath, options);
  try {
    for (const runs of batchesOf(map.runs())) {
      throwIfCanceled(signal, 'reading the pages of a snapshot');
      const pages = runs.reduce((sum, run) => sum + run.count, 0);
      yield await readBatch(open, runs, allocate(pages * PAGE_BYTES));
    }
  } finally {
    await open.close();
  }
}

/** The runs, cut and grouped so that each group is a batch. */
function* batchesOf(runs: Iterable<MappedRun>): Generator<readonly MappedRun[]> {
  let batch: MappedRun[] = [];
  let pages = 0;
  for (const run of runs) {
    for (let done = 0; done < run.count;) {
      const count = Math.min(run.count - done, BATCH_PAGES - pages);
      batch.push({ ...run, firstPage: run.firstPage + done, sourcePage: run.sourcePage + done, count });
      done += count;
      pages += count;
      if (pages < BATCH_PAGES && batch.length < BATCH_EXTENTS_MAX) continue;
      yield batch;
      batch = [];
      pages = 0;
    }
  }
  if (batch.length > 0) yield batch;
}

async function readBatch(open: OpenPageFiles, runs: readonly MappedRun[], bytes: Bytes): Promise<PageBatch> {
  await open.read(runs, bytes);
  const extents = runs.map((run) => ({ offset: run.firstPage * PAGE_BYTES, length: run.count * PAGE_BYTES }));
  return { extents, bytes };
}
