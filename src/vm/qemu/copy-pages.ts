import { defined } from '../../base/assert.ts';
import type { Bytes } from '../../base/bytes.ts';
import { KIB, PAGE_BYTES } from '../../base/units.ts';
import type { Compute } from '../../env/compute.ts';
import { BATCH_BYTES_MAX, BATCH_EXTENTS_MAX } from '../../env/files.ts';
import type { FileHandle } from '../../env/files.ts';
import type { PageRun, PageRuns } from '../../snapshot/page-runs.ts';
import { PageRunsBuilder } from '../../snapshot/page-runs.ts';
import type { GuestRam } from './guest-ram.ts';
import { HELD_BATCHES_MAX } from './limits.ts';

export interface CopiedPages {
  /** Pages that were written to the target, in its order, back to back from its start. */
  readonly runs: PageRuns;
  /** Pages that hold nothing but zeros; they are not in the target. */
  readonly zeroRuns: PageRuns;
}

/** Pages that the guest may write between the look that says how many there are and the one that counts. */
const MORE_BYTES: number = 512 * KIB;

interface HeldBatch {
  readonly batch: readonly PageRun[];
  readonly buffer: Bytes;
}

/**
 * Copies pages of a stopped guest to a page file, without those that are zero, in two acts:
 *
 *   read     the guest stands still: pages come into memory; what `HELD_BATCHES_MAX` cannot hold is written meanwhile
 *   finish   the guest goes on: zero pages are left out, the rest is written
 *
 * After a failure of either nothing is under way any more.
 */
export class PageCopy {
  readonly #compute: Compute;
  readonly #target: FileHandle;
  readonly #runs = new PageRunsBuilder();
  readonly #zeroRuns = new PageRunsBuilder();
  readonly #spare: Bytes[] = [];
  /** Read and not yet written, in order. */
  readonly #held: HeldBatch[] = [];
  #buffers = 0;
  /** The batch before those that are held, on its way to the file; gives its buffer back. */
  #writing: Promise<Bytes> | null = null;
  #offset = 0;

  /** @param pagesExpected room for about so many is made now: memory that is touched first costs as much as the copy. */
  constructor(compute: Compute, target: FileHandle, pagesExpected: number) {
    this.#compute = compute;
    this.#target = target;
    for (let left = pagesExpected * PAGE_BYTES; left > 0; left -= BATCH_BYTES_MAX) {
      if (this.#buffers === HELD_BATCHES_MAX) return;
      this.#spare.push(this.#newBuffer(Math.min(left + MORE_BYTES, BATCH_BYTES_MAX)).fill(0));
    }
  }

  async read(pages: PageRuns, ram: GuestRam): Promise<void> {
    try {
      for (const batch of batches(pages)) {
        const buffer = await this.#nextBuffer(batchBytes(batch));
        await ram.read(
          batch.map(({ firstPage, count }) => ({
            offset: firstPage * PAGE_BYTES,
            length: count * PAGE_BYTES,
          })),
          buffer,
        );
        this.#held.push({ batch, buffer });
      }
    } catch (error) {
      await this.#writing?.catch(() => undefined);
      throw error;
    }
  }

  async finish(): Promise<CopiedPages> {
    await this.#writing;
    while (this.#held.length > 0) await this.#writeOldest();
    return { runs: this.#runs.finish(), zeroRuns: this.#zeroRuns.finish() };
  }

  #newBuffer(sizeBytes: number): Bytes {
    this.#buffers += 1;
    return new Uint8Array(sizeBytes);
  }

  /** One that was made for less is replaced. */
  async #nextBuffer(sizeBytes: number): Promise<Bytes> {
    const buffer = this.#spare.shift() ?? (await this.#freeBuffer(sizeBytes));
    return buffer.byteLength < sizeBytes ? new Uint8Array(sizeBytes) : buffer;
  }

  /** Beyond what may be held, one batch is written while the next is read. */
  async #freeBuffer(sizeBytes: number): Promise<Bytes> {
    if (this.#buffers < HELD_BATCHES_MAX) return this.#newBuffer(sizeBytes);
    const buffer = await (this.#writing ?? this.#writeOldest());
    this.#writing = this.#writeOldest();
    // It is awaited before the next one; until then a failure must not count as unseen.
    this.#writing.catch(() => undefined);
    return buffer;
  }

  async #writeOldest(): Promise<Bytes> {
    const { batch, buffer } = defined(this.#held.shift(), 'a batch that is held');
    const keptBytes = dropZeroPages(this.#compute, batch, buffer, this.#runs, this.#zeroRuns);
    const offset = this.#offset;
    this.#offset += keptBytes;
    await this.#target.write(buffer.subarray(0, keptBytes), offset);
    return buffer;
  }
}

function batchBytes(batch: readonly PageRun[]): number {
  return batch.reduce((pages, { count }) => pages + count, 0) * PAGE_BYTES;
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
