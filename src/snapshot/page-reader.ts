import { assert, defined } from '../base/assert.ts';
import type { Bytes } from '../base/bytes.ts';
import { throwIfCanceled } from '../base/cancel.ts';
import { KelpieError } from '../base/errors.ts';
import { MIB, PAGE_BYTES } from '../base/units.ts';
import { BATCH_EXTENTS_MAX } from '../env/files.ts';
import type { Extent, FileHandle, Files } from '../env/files.ts';
import { isSystemError } from '../env/system-error.ts';
import type { MappedRun, PageMap } from './page-map.ts';

/** Pages of a memory with their places in it. */
export interface PageBatch {
  /** Ascending by offset in the memory; the bytes of all of them are back to back in `bytes`. */
  readonly extents: readonly Extent[];
  /** Belongs to whoever asked for it. */
  readonly bytes: Bytes;
}

/** What is read at once; small enough that a few in flight are nothing, large enough that a call costs nothing. */
export const PAGE_BATCH_BYTES: number = MIB;
const BATCH_PAGES: number = PAGE_BATCH_BYTES / PAGE_BYTES;
/** Page files that are open at once; a VM with a long history names more than the system lets us open. */
const OPEN_FILES_MAX = 64;

/**
 * Every page that is not zero, in ascending order.
 * @param resolvePath the path of a page file with this UUID.
 * @param allocate memory for a batch; one that is done with a batch before it asks for the next may give the same again.
 * @throws KelpieError `snapshot_corrupt` when a page file is missing or too short, `canceled`.
 */
export async function* readPages(
  files: Files,
  map: PageMap,
  resolvePath: (pageFile: string) => string,
  signal?: AbortSignal,
  allocate: (length: number) => Bytes = (length) => new Uint8Array(length),
): AsyncGenerator<PageBatch> {
  const open = new OpenPageFiles(files, resolvePath);
  try {
    for (const runs of batchesOf(map.runs())) {
      throwIfCanceled(signal, 'reading the memory of a snapshot');
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
  let offset = 0;
  for (let index = 0; index < runs.length;) {
    const { pageFile } = defined(runs[index], 'the first run of a group');
    const sources: MutableExtent[] = [];
    let length = 0;
    for (let run = runs[index]; run?.pageFile === pageFile; index += 1, run = runs[index]) {
      append(sources, run.sourcePage * PAGE_BYTES, run.count * PAGE_BYTES);
      length += run.count * PAGE_BYTES;
    }
    await open.readBatch(pageFile, sources, bytes.subarray(offset, offset + length));
    offset += length;
  }
  assert(offset === bytes.byteLength, 'every page of the batch was read');
  const extents = runs.map((run) => ({ offset: run.firstPage * PAGE_BYTES, length: run.count * PAGE_BYTES }));
  return { extents, bytes };
}

interface MutableExtent {
  readonly offset: number;
  length: number;
}

/** Joined with the last one where it can be: what one snapshot gathered lies back to back, however scattered the memory. */
function append(extents: MutableExtent[], offset: number, length: number): void {
  const last = extents.at(-1);
  if (last !== undefined && last.offset + last.length === offset) last.length += length;
  else extents.push({ offset, length });
}

/** Page files by UUID, opened when first needed; the one that was used longest ago makes room. */
class OpenPageFiles {
  readonly #files: Files;
  readonly #resolvePath: (pageFile: string) => string;
  /** In order of use. */
  readonly #handles = new Map<string, FileHandle>();

  constructor(files: Files, resolvePath: (pageFile: string) => string) {
    this.#files = files;
    this.#resolvePath = resolvePath;
  }

  async readBatch(pageFile: string, sources: readonly Extent[], into: Bytes): Promise<void> {
    try {
      const handle = await this.#open(pageFile);
      await handle.readBatch(sources, into);
    } catch (error) {
      if (!isSystemError(error, 'ENOENT', 'EIO')) throw error;
      const message = `the page file ${pageFile} is missing or damaged; this snapshot cannot be used.`;
      throw new KelpieError('snapshot_corrupt', message, { cause: error });
    }
  }

  async close(): Promise<void> {
    for (const handle of this.#handles.values()) await handle.close();
    this.#handles.clear();
  }

  async #open(pageFile: string): Promise<FileHandle> {
    const handle = this.#handles.get(pageFile) ?? (await this.#openAnother(pageFile));
    this.#handles.delete(pageFile);
    this.#handles.set(pageFile, handle);
    return handle;
  }

  async #openAnother(pageFile: string): Promise<FileHandle> {
    if (this.#handles.size === OPEN_FILES_MAX) {
      const [oldest] = this.#handles;
      const [id, handle] = defined(oldest, 'the file that was used longest ago');
      this.#handles.delete(id);
      await handle.close();
    }
    return await this.#files.open(this.#resolvePath(pageFile), 'r');
  }
}
