import { assert, defined } from '../base/assert.ts';
import type { Bytes } from '../base/bytes.ts';
import { KelpieError } from '../base/errors.ts';
import { KIB, PAGE_BYTES } from '../base/units.ts';
import type { Extent, FileHandle, Files } from '../env/files.ts';
import { isSystemError } from '../env/system-error.ts';

/** Page files that are open at once; a VM with a long history names more than the system lets us open. */
const OPEN_FILES_MAX = 64;
/** What is read by one call that leaves the event loop free; for less, a batch is quicker. */
const FREE_READ_BYTES_MIN: number = 256 * KIB;

/** Pages that lie side by side in a file. */
export interface PagePiece {
  /** UUID. */
  readonly pageFile: string;
  readonly sourcePage: number;
  readonly count: number;
}

export interface OpenPageFilesOptions {
  /** Bytes after the end of a file are zeros, as with disk layers; else such a file is damaged. */
  readonly zerosAfterEnd?: boolean;
}

interface OpenFile {
  readonly handle: FileHandle;
  readonly sizeBytes: number;
}

/** Page files by UUID, opened when first needed; the one that was used longest ago makes room. */
export class OpenPageFiles {
  readonly #files: Files;
  readonly #resolvePath: (pageFile: string) => string;
  readonly #zerosAfterEnd: boolean;
  /** In order of use. */
  readonly #open = new Map<string, OpenFile>();

  constructor(files: Files, resolvePath: (pageFile: string) => string, options: OpenPageFilesOptions = {}) {
    this.#files = files;
    this.#resolvePath = resolvePath;
    this.#zerosAfterEnd = options.zerosAfterEnd ?? false;
  }

  /**
   * Reads pages back to back into all of `into`, which is as long as they are; within the bounds of a batch.
   * @throws KelpieError `snapshot_corrupt` when a file is missing or too short.
   */
  async read(pieces: readonly PagePiece[], into: Bytes): Promise<void> {
    let offset = 0;
    for (let index = 0; index < pieces.length;) {
      const { pageFile } = defined(pieces[index], 'the first piece of a file');
      const extents: MutableExtent[] = [];
      let length = 0;
      for (let piece = pieces[index]; piece?.pageFile === pageFile; index += 1, piece = pieces[index]) {
        append(extents, piece.sourcePage * PAGE_BYTES, piece.count * PAGE_BYTES);
        length += piece.count * PAGE_BYTES;
      }
      await this.#readExtents(pageFile, extents, into.subarray(offset, offset + length));
      offset += length;
    }
    assert(offset === into.byteLength, 'every page was read');
  }

  async close(): Promise<void> {
    for (const { handle } of this.#open.values()) await handle.close();
    this.#open.clear();
  }

  async #readExtents(pageFile: string, extents: readonly Extent[], into: Bytes): Promise<void> {
    try {
      const { handle, sizeBytes } = await this.#openFile(pageFile);
      const end = Math.max(...extents.map((extent) => extent.offset + extent.length));
      if (end > sizeBytes && this.#zerosAfterEnd) await readWithZeros(handle, sizeBytes, extents, into);
      else await readWhole(handle, extents, into);
    } catch (error) {
      if (!isSystemError(error, 'ENOENT', 'EIO')) throw error;
      const message = `the page file ${pageFile} is missing or damaged; this snapshot cannot be used.`;
      throw new KelpieError('snapshot_corrupt', message, { cause: error });
    }
  }

  async #openFile(pageFile: string): Promise<OpenFile> {
    const file = this.#open.get(pageFile) ?? (await this.#openAnother(pageFile));
    this.#open.delete(pageFile);
    this.#open.set(pageFile, file);
    return file;
  }

  async #openAnother(pageFile: string): Promise<OpenFile> {
    if (this.#open.size === OPEN_FILES_MAX) {
      const [oldest] = this.#open;
      const [id, { handle }] = defined(oldest, 'the file that was used longest ago');
      this.#open.delete(id);
      await handle.close();
    }
    const handle = await this.#files.open(this.#resolvePath(pageFile), 'r');
    try {
      return { handle, sizeBytes: (await handle.stat()).sizeBytes };
    } catch (error) {
      await handle.close();
      throw error;
    }
  }
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

/** A long single stretch goes the way that does not hold the event loop. */
async function readWhole(handle: FileHandle, extents: readonly Extent[], into: Bytes): Promise<void> {
  const [only] = extents;
  if (extents.length > 1 || only === undefined || only.length < FREE_READ_BYTES_MIN) {
    await handle.readBatch(extents, into);
    return;
  }
  for (let done = 0; done < only.length;) {
    const count = await handle.read(into.subarray(done), only.offset + done);
    // The batch says what is wrong with a file that ends early.
    if (count === 0) await handle.readBatch([{ offset: only.offset + done, length: 1 }], into.subarray(done));
    done += count;
  }
}

async function readWithZeros(
  handle: FileHandle,
  sizeBytes: number,
  extents: readonly Extent[],
  into: Bytes,
): Promise<void> {
  let start = 0;
  for (const { offset, length } of extents) {
    const there = Math.max(0, Math.min(length, sizeBytes - offset));
    if (there > 0) await handle.readBatch([{ offset, length: there }], into.subarray(start, start + there));
    into.fill(0, start + there, start + length);
    start += length;
  }
}
