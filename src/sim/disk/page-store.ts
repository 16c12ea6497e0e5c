/** Sparse bytes in pages. Pages are replaced, never changed, once somebody else may hold them: so copies are cheap. */
import type { Bytes } from '../../base/bytes.ts';
import { PAGE_BYTES } from '../../base/units.ts';

export class PageStore {
  readonly #pages: Map<number, Bytes>;
  /** Pages that nobody else holds: they may be written in place. */
  readonly #own = new Set<number>();
  #sizeBytes: number;
  #version = 0;

  constructor(pages: ReadonlyMap<number, Bytes> = new Map(), sizeBytes = 0) {
    this.#pages = new Map(pages);
    this.#sizeBytes = sizeBytes;
  }

  /** Grows with every change: what was made of the same version is the same. */
  get version(): number {
    return this.#version;
  }
  get sizeBytes(): number {
    return this.#sizeBytes;
  }
  get allocatedBytes(): number {
    return this.#pages.size * PAGE_BYTES;
  }
  /** Indexes of the pages that are no holes, in no order. */
  get pages(): Iterable<number> {
    return this.#pages.keys();
  }

  /** The page, or undefined for a hole. Not to be changed. */
  page(index: number): Bytes | undefined {
    return this.#pages.get(index);
  }

  /** An independent copy of the present contents. */
  copy(): PageStore {
    this.#own.clear();
    return new PageStore(this.#pages, this.#sizeBytes);
  }

  /** Fills `into` from `offset` on; returns how many bytes there were before the end. */
  read(into: Bytes, offset: number): number {
    const length = Math.max(0, Math.min(into.byteLength, this.#sizeBytes - offset));
    for (let done = 0; done < length;) {
      const at = offset + done;
      const start = at % PAGE_BYTES;
      const count = Math.min(PAGE_BYTES - start, length - done);
      const page = this.#pages.get(Math.floor(at / PAGE_BYTES));
      if (page === undefined) into.fill(0, done, done + count);
      else into.set(page.subarray(start, start + count), done);
      done += count;
    }
    return length;
  }

  /** A copy of all of it. */
  bytes(): Bytes {
    const bytes = new Uint8Array(this.#sizeBytes);
    this.read(bytes, 0);
    return bytes;
  }

  /** How many new pages a write would take. */
  newPages(offset: number, length: number): number {
    let pages = 0;
    for (let page = Math.floor(offset / PAGE_BYTES); page * PAGE_BYTES < offset + length; page += 1) {
      if (!this.#pages.has(page)) pages += 1;
    }
    return pages;
  }

  write(from: Bytes, offset: number): void {
    this.#version += 1;
    for (let done = 0; done < from.byteLength;) {
      const at = offset + done;
      const start = at % PAGE_BYTES;
      const count = Math.min(PAGE_BYTES - start, from.byteLength - done);
      const index = Math.floor(at / PAGE_BYTES);
      const bytes = from.subarray(done, done + count);
      if (count === PAGE_BYTES) this.#putOwn(index, bytes.slice());
      else this.#writable(index).set(bytes, start);
      done += count;
    }
    if (from.byteLength > 0) this.#sizeBytes = Math.max(this.#sizeBytes, offset + from.byteLength);
  }

  /** Puts a page as it is, or makes a hole. */
  putPage(index: number, page: Bytes | undefined): void {
    this.#version += 1;
    this.#own.delete(index);
    if (page === undefined) this.#pages.delete(index);
    else this.#pages.set(index, page);
  }

  truncate(sizeBytes: number): void {
    this.#version += 1;
    if (sizeBytes < this.#sizeBytes) {
      const kept = Math.ceil(sizeBytes / PAGE_BYTES);
      for (const page of [...this.#pages.keys()]) if (page >= kept) this.putPage(page, undefined);
      const tail = sizeBytes % PAGE_BYTES;
      if (tail > 0 && this.#pages.has(kept - 1)) this.#writable(kept - 1).fill(0, tail);
    }
    this.#sizeBytes = sizeBytes;
  }

  #writable(index: number): Bytes {
    const page = this.#pages.get(index);
    if (page !== undefined && this.#own.has(index)) return page;
    return this.#putOwn(index, page === undefined ? new Uint8Array(PAGE_BYTES) : page.slice());
  }

  #putOwn(index: number, page: Bytes): Bytes {
    this.#pages.set(index, page);
    this.#own.add(index);
    return page;
  }
}
