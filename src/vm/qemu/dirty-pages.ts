import { assert } from '../../base/assert.ts';
import { PAGE_BYTES } from '../../base/units.ts';
import type { Compute } from '../../env/compute.ts';
import type { Env } from '../../env/env.ts';
import type { FileHandle } from '../../env/files.ts';
import { PageRunsBuilder } from '../../snapshot/page-runs.ts';
import type { PageRuns } from '../../snapshot/page-runs.ts';
import { PAGEMAP_CHUNK_BYTES } from './limits.ts';

/** One 64-bit entry per page, in `/proc/PID/pagemap` (Documentation/admin-guide/mm/pagemap.rst of Linux). */
const ENTRY_BYTES = 8;
/** Bits 63 (present) and 62 (swapped), in the upper half of an entry. */
const MAPPED_BITS = 0xc000_0000;
/** Bit 61: the page belongs to a file, so this process never wrote to it. */
const FILE_BIT = 0x2000_0000;

/** Entries that are compared at once: 8 MiB of guest memory. */
const BLOCK_PAGES = 2048;

/**
 * Collects the anonymous pages out of page map entries: in a private mapping of a file these are the pages that were
 * written since the file was mapped, in memory or swapped out. Most of a large memory was never touched, and all its entries
 * are the same: such blocks cost one comparison.
 * @param entries as read from the kernel, little-endian; the first one is of page `firstPage`.
 */
export function collectAnonymousPages(
  compute: Compute,
  entries: Uint32Array,
  firstPage: number,
  into: PageRunsBuilder,
): void {
  const pages = entries.length / 2;
  for (let start = 0; start < pages; start += BLOCK_PAGES) {
    const block = entries.subarray(2 * start, 2 * Math.min(start + BLOCK_PAGES, pages));
    const bytes = new Uint8Array(block.buffer, block.byteOffset, block.byteLength);
    const isUniform = compute.isEqual(bytes.subarray(ENTRY_BYTES), bytes.subarray(0, -ENTRY_BYTES));
    if (!isUniform) collectEach(block, firstPage + start, into);
    else if (isAnonymous(block[1])) into.append(firstPage + start, block.length / 2);
  }
}

function collectEach(entries: Uint32Array, firstPage: number, into: PageRunsBuilder): void {
  const pages = entries.length / 2;
  let runStart = -1;
  for (let page = 0; page < pages; page += 1) {
    if (isAnonymous(entries[2 * page + 1])) {
      if (runStart === -1) runStart = page;
    } else if (runStart !== -1) {
      into.append(firstPage + runStart, page - runStart);
      runStart = -1;
    }
  }
  if (runStart !== -1) into.append(firstPage + runStart, pages - runStart);
}

/** @param upper half of an entry. */
function isAnonymous(upper = 0): boolean {
  return (upper & MAPPED_BITS) !== 0 && (upper & FILE_BIT) === 0;
}

/** A process's page map, opened before the pause so that the pause only reads. */
export class DirtyPageScanner {
  readonly #compute: Compute;
  readonly #pagemap: FileHandle;
  readonly #address: number;
  readonly #pageCount: number;
  readonly #chunk: Uint8Array<ArrayBuffer>;

  private constructor(compute: Compute, pagemap: FileHandle, address: number, pageCount: number) {
    this.#compute = compute;
    this.#pagemap = pagemap;
    this.#address = address;
    this.#pageCount = pageCount;
    this.#chunk = new Uint8Array(Math.min(PAGEMAP_CHUNK_BYTES, pageCount * ENTRY_BYTES));
  }

  /** @throws SystemError `EACCES`, `EPERM` or `ENOENT` where a process's page map is refused or does not exist. */
  static async open(
    { files, compute }: Pick<Env, 'files' | 'compute'>,
    pid: number,
    address: number,
    pageCount: number,
  ): Promise<DirtyPageScanner> {
    assert(address % PAGE_BYTES === 0, 'a mapping begins at a page');
    return new DirtyPageScanner(compute, await files.open(`/proc/${pid}/pagemap`, 'r'), address, pageCount);
  }

  /** @throws SystemError `EIO` when the process has ended: its map reads as an empty file. */
  async scan(): Promise<PageRuns> {
    const builder = new PageRunsBuilder();
    const chunkPages = PAGEMAP_CHUNK_BYTES / ENTRY_BYTES;
    for (let page = 0; page < this.#pageCount; page += chunkPages) {
      collectAnonymousPages(this.#compute, await this.#read(page), page, builder);
    }
    return builder.finish();
  }

  async close(): Promise<void> {
    await this.#pagemap.close();
  }

  /** At once, as the kernel makes up what is read: on a busy machine a thread of the pool would have to wait for its turn. */
  async #read(firstPage: number): Promise<Uint32Array> {
    const pages = Math.min(PAGEMAP_CHUNK_BYTES / ENTRY_BYTES, this.#pageCount - firstPage);
    const length = pages * ENTRY_BYTES;
    const offset = (this.#address / PAGE_BYTES + firstPage) * ENTRY_BYTES;
    await this.#pagemap.readBatch([{ offset, length }], this.#chunk);
    return new Uint32Array(this.#chunk.buffer, 0, pages * 2);
  }
}
