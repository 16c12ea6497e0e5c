/**
 * Frames of a package of which this host has every page in files of its own. Where the pages of its files are in the store is written down when they are
 * published or downloaded (`place-book.ts`); read the other way round, it says which frames need not be fetched.
 *
 * What is written down is a hint: whoever takes pages from here proves that the frame was made of them (`reuse-pages.ts`).
 */
import { defined } from '../../base/assert.ts';
import { PAGE_BYTES } from '../../base/units.ts';
import { at } from '../../snapshot/mapped-runs.ts';
import type { PagePiece } from '../../snapshot/open-page-files.ts';
import { FRAME_PAGES } from './limits.ts';
import { frameText } from './package-frames.ts';
import type { FrameInfo, StoreMap, StoreRun } from './store-map.ts';
import { Uint32Column } from './uint32-column.ts';

/** There is none, of a frame or of a piece. */
const NONE = 0xffff_ffff;

export class LocalFrames {
  /** By `frameText`: nothing of a frame that was written down otherwise can be its pages. */
  readonly #wanted: ReadonlyMap<string, number>;
  /** For each frame that is wanted, how many of its pages are in no file yet. */
  readonly #missing: Uint16Array;
  /** One byte for each page of each frame: 1 where a file has it. */
  readonly #isHere: Uint8Array;
  readonly #files: string[] = [];
  /** Pieces of all frames, each with the one before it in the same frame. */
  readonly #file = new Uint32Column();
  readonly #source = new Uint32Column();
  readonly #framePage = new Uint32Column();
  readonly #count = new Uint32Column();
  readonly #before = new Uint32Column();
  readonly #last: Uint32Array;

  /** @param table whose frames the others are indexes of. */
  constructor(table: readonly FrameInfo[], wanted: readonly number[]) {
    const infoOf = (frame: number): FrameInfo => defined(table[frame], 'a wanted frame');
    this.#wanted = new Map(wanted.map((frame) => [frameText(infoOf(frame)), frame]));
    this.#missing = new Uint16Array(table.length);
    for (const frame of wanted) this.#missing[frame] = infoOf(frame).rawBytes / PAGE_BYTES;
    this.#isHere = new Uint8Array(table.length * FRAME_PAGES);
    this.#last = new Uint32Array(table.length).fill(NONE);
  }

  /** Takes note of a file. @param places of its pages in the store. */
  add(file: string, places: StoreMap): void {
    const frames = Uint32Array.from(places.frames, (info) => this.#wanted.get(frameText(info)) ?? NONE);
    if (frames.every((frame) => frame === NONE)) return;
    this.#files.push(file);
    for (let index = 0; index < places.runCount; index += 1) {
      const frame = at(frames, at(places.columns.frame, index));
      if (frame !== NONE && this.#missing[frame] !== 0) this.#addRun({ ...places.run(index), frame });
    }
  }

  /** The wanted frames of which every page is here, ascending. */
  get whole(): readonly number[] {
    return [...this.#wanted.values()].filter((frame) => this.#missing[frame] === 0);
  }

  /** Where the pages of a whole frame are, in the order of the frame. */
  piecesOf(frame: number): readonly PagePiece[] {
    const pieces: { readonly framePage: number; readonly piece: PagePiece }[] = [];
    for (let index = at(this.#last, frame); index !== NONE; index = this.#before.at(index)) {
      const pageFile = defined(this.#files[this.#file.at(index)], 'the file of a piece');
      const piece = { pageFile, sourcePage: this.#source.at(index), count: this.#count.at(index) };
      pieces.push({ framePage: this.#framePage.at(index), piece });
    }
    return pieces.toSorted((a, b) => a.framePage - b.framePage).map(({ piece }) => piece);
  }

  /** The parts of a run that no file had. */
  #addRun({ firstPage, count, frame, framePage }: StoreRun): void {
    const first = frame * FRAME_PAGES + framePage;
    for (let done = 0; done < count;) {
      const isNew = this.#isHere[first + done] === 0;
      let end = done + 1;
      while (end < count && (this.#isHere[first + end] === 0) === isNew) end += 1;
      if (isNew) this.#addPiece(frame, framePage + done, firstPage + done, end - done);
      done = end;
    }
  }

  #addPiece(frame: number, framePage: number, source: number, count: number): void {
    this.#file.push(this.#files.length - 1);
    this.#source.push(source);
    this.#framePage.push(framePage);
    this.#count.push(count);
    this.#before.push(at(this.#last, frame));
    this.#last[frame] = this.#before.length - 1;
    const first = frame * FRAME_PAGES + framePage;
    this.#isHere.fill(1, first, first + count);
    this.#missing[frame] = (this.#missing[frame] ?? 0) - count;
  }
}
