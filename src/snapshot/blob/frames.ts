/** Frames of a blob's memory and disks: up to 1 MiB of pages with their places, so that neither side holds a table of them all. */
import { PAGE_BYTES } from '../../base/units.ts';
import { viewOf } from '../../base/bytes.ts';
import { checkBlob } from './contents.ts';
import { BLOB_EXTENT_BYTES, BLOB_FRAME_HEAD_BYTES } from './header.ts';
import { BLOB_FRAME_PAGES_MAX } from './limits.ts';
import type { Bytes } from '../../base/bytes.ts';
import type { Extent } from '../../env/files.ts';
import type { PageRun, PageRuns } from '../page-runs.ts';
import type { BlobCodec, VolumeEntry } from './header.ts';

/** The runs, cut and grouped so that each group is a frame. */
export function* framesOf(runs: PageRuns): Generator<readonly PageRun[]> {
  let frame: PageRun[] = [];
  let pages = 0;
  for (const run of runs) {
    for (let done = 0; done < run.count;) {
      const count = Math.min(run.count - done, BLOB_FRAME_PAGES_MAX - pages);
      frame.push({ firstPage: run.firstPage + done, count });
      done += count;
      pages += count;
      if (pages < BLOB_FRAME_PAGES_MAX) continue;
      yield frame;
      frame = [];
      pages = 0;
    }
  }
  if (frame.length > 0) yield frame;
}

/** What stands before the pages of a frame. */
export function encodeFrameHead(frame: readonly PageRun[], storedBytes: number): Bytes {
  const bytes = new Uint8Array(BLOB_FRAME_HEAD_BYTES + frame.length * BLOB_EXTENT_BYTES);
  const view = viewOf(bytes);
  view.setUint32(0, frame.length, true);
  view.setUint32(4, storedBytes, true);
  for (const [index, { firstPage, count }] of frame.entries()) {
    const offset = BLOB_FRAME_HEAD_BYTES + index * BLOB_EXTENT_BYTES;
    view.setUint32(offset, firstPage, true);
    view.setUint32(offset + 4, count, true);
  }
  return bytes;
}

/** How many pages a frame has. */
export function pagesOf(frame: readonly PageRun[]): number {
  return frame.reduce((sum, { count }) => sum + count, 0);
}

/** Reads what stands before the pages, frame by frame, and holds it to the volume. */
export class FrameHeads {
  readonly #volumePages: number;
  readonly #codec: BlobCodec;
  #pagesLeft: number;
  #endPage = 0;

  constructor({ sizeBytes, pages, codec }: VolumeEntry) {
    this.#volumePages = sizeBytes / PAGE_BYTES;
    this.#pagesLeft = pages;
    this.#codec = codec;
  }

  /** True when all pages were told. */
  get isAtEnd(): boolean {
    return this.#pagesLeft === 0;
  }

  /** How many extents follow a frame's head, and how many stored bytes them. @throws KelpieError `package_corrupt`. */
  head(bytes: Bytes): { readonly extentCount: number; readonly storedBytes: number } {
    const view = viewOf(bytes);
    const extentCount = view.getUint32(0, true);
    const storedBytes = view.getUint32(4, true);
    checkBlob(extentCount >= 1 && extentCount <= BLOB_FRAME_PAGES_MAX, 'a frame has too many places or none');
    const isWithin = storedBytes >= 1 && storedBytes <= BLOB_FRAME_PAGES_MAX * PAGE_BYTES;
    checkBlob(isWithin, 'a frame is too long, or empty');
    return { extentCount, storedBytes };
  }

  /** Where the frame's pages go, and how many bytes they are. @throws KelpieError `package_corrupt`. */
  extents(
    table: Bytes,
    storedBytes: number,
  ): { readonly extents: readonly Extent[]; readonly bytes: number } {
    const view = viewOf(table);
    const extents: Extent[] = [];
    let pages = 0;
    for (let offset = 0; offset < table.byteLength; offset += BLOB_EXTENT_BYTES) {
      const firstPage = view.getUint32(offset, true);
      const count = view.getUint32(offset + 4, true);
      checkBlob(count >= 1 && firstPage >= this.#endPage, 'its pages overlap or are out of order');
      checkBlob(firstPage + count <= this.#volumePages, 'a page lies outside its memory or disk');
      extents.push({ offset: firstPage * PAGE_BYTES, length: count * PAGE_BYTES });
      this.#endPage = firstPage + count;
      pages += count;
    }
    checkBlob(pages <= this.#pagesLeft, 'it has more pages than it says');
    const bytes = pages * PAGE_BYTES;
    const isOfItsLength = this.#codec === 'stored' ? storedBytes === bytes : storedBytes <= bytes;
    checkBlob(isOfItsLength, 'a frame has another length than its pages');
    this.#pagesLeft -= pages;
    return { extents, bytes };
  }
}
