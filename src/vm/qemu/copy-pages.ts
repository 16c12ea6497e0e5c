import type { Bytes } from '../../base/bytes.ts';
import { PAGE_BYTES } from '../../base/units.ts';
import type { Compute } from '../../env/compute.ts';
import { BATCH_BYTES_MAX, BATCH_EXTENTS_MAX } from '../../env/files.ts';
import type { FileHandle } from '../../env/files.ts';
import type { PageRun, PageRuns } from '../../snapshot/page-runs.ts';
import { PageRunsBuilder } from '../../snapshot/page-runs.ts';
import type { GuestRam } from './guest-ram.ts';

export interface CopiedPages {
  /** Pages that were written to the target, in its order, back to back from its start. */
  readonly runs: PageRuns;
  /** Pages that hold nothing but zeros; they are not in the target. */
  readonly zeroRuns: PageRuns;
}

/** Copies pages of a stopped guest to a page file, without those that are zero. One batch is read while another is written. */
export async function copyPages(
  compute: Compute,
  pages: PageRuns,
  ram: GuestRam,
  target: FileHandle,
): Promise<CopiedPages> {
  const runs = new PageRunsBuilder();
  const zeroRuns = new PageRunsBuilder();
  // Two in turn, made when they are needed: a small snapshot takes one, and no more than it copies.
  const sizeBytes = Math.min(BATCH_BYTES_MAX, pages.pages * PAGE_BYTES);
  const buffers: [Bytes?, Bytes?] = [];
  let turn: 0 | 1 = 0;
  let writing: Promise<void> = Promise.resolve();
  let offset = 0;
  try {
    for (const batch of batches(pages)) {
      const buffer = (buffers[turn] ??= new Uint8Array(sizeBytes));
      await ram.read(
        batch.map(({ firstPage, count }) => ({ offset: firstPage * PAGE_BYTES, length: count * PAGE_BYTES })),
        buffer,
      );
      const keptBytes = dropZeroPages(compute, batch, buffer, runs, zeroRuns);
      await writing;
      writing = target.write(buffer.subarray(0, keptBytes), offset);
      // It is awaited before the next one; until then a failure must not count as unseen.
      writing.catch(() => undefined);
      offset += keptBytes;
      turn = turn === 0 ? 1 : 0;
    }
  } finally {
    await writing;
  }
  return { runs: runs.finish(), zeroRuns: zeroRuns.finish() };
}

/** Cuts runs into batches that `FileHandle.readBatch` takes. */
function* batches(pages: PageRuns): Generator<readonly PageRun[]> {
  const pagesMax = BATCH_BYTES_MAX / PAGE_BYTES;
  let batch: PageRun[] = [];
  let batchPages = 0;
  for (const run of pages) {
    for (let done = 0; done < run.count;) {
      const count = Math.min(run.count - done, pagesMax - batchPages);
      batch.push({ firstPage: run.firstPage + done, count });
      done += count;
      batchPages += count;
      if (batchPages === pagesMax || batch.length === BATCH_EXTENTS_MAX) {
        yield batch;
        batch = [];
        batchPages = 0;
      }
    }
  }
  if (batch.length > 0) yield batch;
}

/** Moves the pages that are not zero to the start of `bytes`, and notes which are which. @returns the bytes that are kept. */
function dropZeroPages(
  compute: Compute,
  batch: readonly PageRun[],
  bytes: Bytes,
  runs: PageRunsBuilder,
  zeroRuns: PageRunsBuilder,
): number {
  let from = 0;
  let to = 0;
  for (const { firstPage, count } of batch) {
    for (let page = firstPage; page < firstPage + count; page += 1, from += PAGE_BYTES) {
      if (compute.isZero(bytes.subarray(from, from + PAGE_BYTES))) {
        zeroRuns.append(page);
      } else {
        if (to !== from) bytes.copyWithin(to, from, from + PAGE_BYTES);
        runs.append(page);
        to += PAGE_BYTES;
      }
    }
  }
  return to;
}
