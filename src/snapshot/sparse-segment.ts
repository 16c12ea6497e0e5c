import { assert } from '../base/assert.ts';
import { utf8, viewOf } from '../base/bytes.ts';
import type { Bytes } from '../base/bytes.ts';
import { KelpieError } from '../base/errors.ts';
import { PAGE_BYTES } from '../base/units.ts';
import type { PageRuns } from './page-runs.ts';

/**
 * A sparse segment: a memory or a disk without its zeros, as one stream. A header, the runs of pages that are there, then
 * their bytes; `docs/FORMAT.md` has the layout. `sparse-segment-reader.ts` is the way back.
 */
export const SPARSE_MAGIC = 'KLSS';
export const SPARSE_VERSION = 1;
export const SPARSE_HEADER_BYTES = 24;
export const SPARSE_RUN_BYTES = 16;
/** Runs per chunk of the table: 64 KiB. */
const TABLE_CHUNK_RUNS = 4096;

/** What becomes a sparse segment. */
export interface SparseSource {
  /** Of the whole memory or disk; whole pages. */
  readonly sizeBytes: number;
  readonly runs: PageRuns;
  /** The bytes of `runs`, in order, cut anywhere. */
  readonly pages: () => AsyncIterable<Bytes>;
}

/** How long the segment is. */
export function sparseSegmentBytes(runs: PageRuns): number {
  return SPARSE_HEADER_BYTES + runs.length * SPARSE_RUN_BYTES + runs.pages * PAGE_BYTES;
}

/**
 * The bytes of the segment; exactly `sparseSegmentBytes(runs)`.
 * @throws KelpieError `snapshot_corrupt` when `pages` does not give what `runs` promises.
 */
export async function* encodeSparseSegment({ sizeBytes, runs, pages }: SparseSource): AsyncGenerator<Bytes> {
  assert(
    Number.isSafeInteger(sizeBytes) && sizeBytes % PAGE_BYTES === 0,
    'a sparse segment is of whole pages',
  );
  assert(runs.endPage * PAGE_BYTES <= sizeBytes, 'the runs lie inside the segment');
  yield encodeHeader(sizeBytes, runs.length);
  for (let start = 0; start < runs.length; start += TABLE_CHUNK_RUNS) yield encodeTable(runs, start);
  let left = runs.pages * PAGE_BYTES;
  for await (const chunk of pages()) {
    left -= chunk.byteLength;
    if (left < 0) break;
    yield chunk;
  }
  if (left === 0) return;
  const message = 'the snapshot is damaged, or changed: it has not as many pages as it says.';
  throw new KelpieError('snapshot_corrupt', message);
}

function encodeHeader(sizeBytes: number, runCount: number): Bytes {
  const header = new Uint8Array(SPARSE_HEADER_BYTES);
  const view = viewOf(header);
  header.set(utf8(SPARSE_MAGIC), 0);
  view.setUint32(4, SPARSE_VERSION, true);
  view.setBigUint64(8, BigInt(sizeBytes), true);
  view.setBigUint64(16, BigInt(runCount), true);
  return header;
}

function encodeTable(runs: PageRuns, start: number): Bytes {
  const end = Math.min(start + TABLE_CHUNK_RUNS, runs.length);
  const table = new Uint8Array((end - start) * SPARSE_RUN_BYTES);
  const view = viewOf(table);
  for (let index = start; index < end; index += 1) {
    const offset = (index - start) * SPARSE_RUN_BYTES;
    // Page numbers fit in 32 bits (`PAGES_MAX`); the upper halves stay zero.
    view.setUint32(offset, runs.firstPage(index), true);
    view.setUint32(offset + 8, runs.count(index), true);
  }
  return table;
}
