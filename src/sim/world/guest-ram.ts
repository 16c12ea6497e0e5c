/** A guest's memory as its VMM holds it: a private mapping of a file, and the pages that were written since. */
import { assert } from '../../base/assert.ts';
import type { Bytes } from '../../base/bytes.ts';
import { viewOf } from '../../base/bytes.ts';
import { PAGE_BYTES } from '../../base/units.ts';
import type { PureCompute } from '../../env/compute.ts';
import type { FileInode } from '../disk/inode.ts';

const zeroPage: Bytes = new Uint8Array(PAGE_BYTES);
const ENTRY_BYTES = 8;
/** The number of what no volume has. */
export const NO_FILE = 0;
/** Present, and of no file. */
const ANONYMOUS_ENTRY = 0x8000_0000;

export class GuestRam {
  readonly pageCount: number;
  readonly #file: FileInode;
  readonly #written = new Map<number, Bytes>();
  /** Written since somebody asked last. */
  #touched = new Set<number>();

  constructor(file: FileInode, sizeBytes: number) {
    assert(sizeBytes % PAGE_BYTES === 0, 'a memory has whole pages');
    this.#file = file;
    this.pageCount = sizeBytes / PAGE_BYTES;
  }

  /** The file has been removed. That of a VM that has booted on Firecracker is no file of a disk, and never had a name. */
  get isNameLost(): boolean {
    return this.#file.number !== NO_FILE && this.#file.links === 0;
  }

  /** Not to be changed. */
  page(index: number): Bytes {
    return this.#written.get(index) ?? this.#file.contents.page(index) ?? zeroPage;
  }

  /** The page as the guest writes to it. */
  writable(index: number): Bytes {
    this.#touched.add(index);
    const own = this.#written.get(index);
    if (own !== undefined) return own;
    const copy = this.page(index).slice();
    this.#written.set(index, copy);
    return copy;
  }

  /** The pages that were ever written since the file was mapped, ascending. */
  get written(): readonly number[] {
    return [...this.#written.keys()].toSorted((a, b) => a - b);
  }

  /** Pages that may not be zero, ascending. */
  get filled(): readonly number[] {
    const pages = new Set([...this.#file.contents.pages, ...this.#written.keys()]);
    return [...pages].filter((page) => page < this.pageCount).toSorted((a, b) => a - b);
  }

  /** The pages that were written since this was asked last, ascending. */
  takeTouched(): readonly number[] {
    const pages = [...this.#touched].toSorted((a, b) => a - b);
    this.#touched = new Set();
    return pages;
  }

  /** `/proc/PID/mem` from the start of the mapping on. */
  read(into: Bytes, offset: number): number {
    for (let done = 0; done < into.byteLength;) {
      const at = offset + done;
      const start = at % PAGE_BYTES;
      const count = Math.min(PAGE_BYTES - start, into.byteLength - done);
      into.set(this.page(Math.floor(at / PAGE_BYTES)).subarray(start, start + count), done);
      done += count;
    }
    return into.byteLength;
  }

  /** `/proc/PID/pagemap` from the start of the mapping on. */
  readPagemap(into: Bytes, offset: number): number {
    into.fill(0);
    const first = offset / ENTRY_BYTES;
    const view = viewOf(into);
    for (const page of this.#written.keys()) {
      const at = (page - first) * ENTRY_BYTES;
      if (at >= 0 && at + ENTRY_BYTES <= into.byteLength) view.setUint32(at + 4, ANONYMOUS_ENTRY, true);
    }
    return into.byteLength;
  }

  /** A digest of every byte. */
  digest(compute: PureCompute): string {
    let digest = this.pageCount;
    for (const index of this.filled) {
      const page = this.page(index);
      if (!compute.isZero(page)) digest = compute.crc32(page, (digest ^ index) >>> 0);
    }
    return digest.toString(16);
  }
}
