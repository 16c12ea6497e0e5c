/** New pages, in the order of the guest, from this host's files into frames. Pages that are all zeros are noticed here, and cost nothing. */
import { defined } from '../../base/assert.ts';
import type { Bytes } from '../../base/bytes.ts';
import { PAGE_BYTES } from '../../base/units.ts';
import type { Compute } from '../../env/compute.ts';
import { BATCH_EXTENTS_MAX } from '../../env/files.ts';
import { at } from '../../snapshot/mapped-runs.ts';
import type { OpenPageFiles } from '../../snapshot/open-page-files.ts';
import type { FrameWriter } from './frame-writer.ts';
import { FRAME_PAGES } from './limits.ts';
import { NO_FRAME } from './page-plan.ts';
import type { PagePlan, PagePlanBuilder } from './page-plan.ts';

export interface PageSender {
  readonly files: OpenPageFiles;
  readonly compute: Pick<Compute, 'isZero' | 'frameBuffer'>;
  readonly writer: FrameWriter;
  /** After each batch that was read. */
  readonly onRead: (pages: number) => void;
}

interface Piece {
  readonly firstPage: number;
  readonly count: number;
  readonly file: number;
  readonly source: number;
}

/**
 * Sends the pages of `plan` that have no frame, and appends them to `sent` as they go, with the writer's indexes of their frames.
 * @throws KelpieError `snapshot_corrupt`; the first failure of the writer's group.
 */
export async function sendPages(sender: PageSender, plan: PagePlan, sent: PagePlanBuilder): Promise<void> {
  const pieces = [...unplacedPieces(plan)];
  const pages = pieces.reduce((sum, { count }) => sum + count, 0);
  const frame = new FrameInTheMaking(sender, plan.files, sent, pages);
  for (const piece of pieces) {
    for (let done = 0; done < piece.count;) {
      const count = Math.min(piece.count - done, frame.room);
      frame.want({ ...piece, firstPage: piece.firstPage + done, source: piece.source + done, count });
      done += count;
      if (frame.isBatchFull) await frame.readBatch();
    }
  }
  await frame.end();
}

function* unplacedPieces({ columns }: PagePlan): Generator<Piece> {
  const { first, count, file, source, frame } = columns;
  for (let index = 0; index < first.length; index += 1) {
    if (frame[index] !== NO_FRAME) continue;
    yield {
      firstPage: at(first, index),
      count: at(count, index),
      file: at(file, index),
      source: at(source, index),
    };
  }
}

class FrameInTheMaking {
  readonly #sender: PageSender;
  readonly #files: readonly string[];
  readonly #sent: PagePlanBuilder;
  #buffer: Bytes;
  /** Pages that were not read yet. */
  #pagesLeft: number;
  /** Pages at the start of the buffer that are in the frame. */
  #filled = 0;
  /** What is read next, behind them. */
  #batch: Piece[] = [];
  #batchPages = 0;

  /** @param pages that will be wanted, all frames together. */
  constructor(sender: PageSender, files: readonly string[], sent: PagePlanBuilder, pages: number) {
    this.#sender = sender;
    this.#files = files;
    this.#sent = sent;
    this.#pagesLeft = pages;
    this.#buffer = this.#newBuffer();
  }

  /** Pages that can still be wanted. */
  get room(): number {
    return FRAME_PAGES - this.#filled - this.#batchPages;
  }

  get isBatchFull(): boolean {
    return this.room === 0 || this.#batch.length === BATCH_EXTENTS_MAX;
  }

  want(piece: Piece): void {
    this.#batch.push(piece);
    this.#batchPages += piece.count;
  }

  async readBatch(): Promise<void> {
    const { files, onRead, writer } = this.#sender;
    const pieces = this.#batch.map(({ file, source, count }) => ({
      pageFile: defined(this.#files[file], 'the file of a piece'),
      sourcePage: source,
      count,
    }));
    await files.read(pieces, this.#pages(this.#filled, this.#batchPages));
    onRead(this.#batchPages);
    this.#pagesLeft -= this.#batchPages;
    this.#keepPages();
    if (this.#filled < FRAME_PAGES) return;
    await writer.add(this.#buffer);
    this.#buffer = this.#newBuffer();
    this.#filled = 0;
  }

  /** Reads what is left, and sends the frame as it is. */
  async end(): Promise<void> {
    if (this.#batch.length > 0) await this.readBatch();
    if (this.#filled > 0) await this.#sender.writer.add(this.#pages(0, this.#filled).slice());
  }

  #newBuffer(): Bytes {
    if (this.#pagesLeft >= FRAME_PAGES) return this.#sender.compute.frameBuffer();
    return new Uint8Array(this.#pagesLeft * PAGE_BYTES);
  }

  /** Moves the pages of the batch that are not zero together, and notes where they are. */
  #keepPages(): void {
    let read = this.#filled;
    for (const piece of this.#batch) {
      let keptFrom = 0;
      for (let page = 0; page <= piece.count; page += 1) {
        if (page < piece.count && !this.#sender.compute.isZero(this.#pages(read + page, 1))) continue;
        if (page > keptFrom) this.#keep(piece, keptFrom, page - keptFrom, read + keptFrom);
        keptFrom = page + 1;
      }
      read += piece.count;
    }
    this.#batch = [];
    this.#batchPages = 0;
  }

  #keep({ firstPage, file, source }: Piece, skipped: number, count: number, read: number): void {
    if (read !== this.#filled)
      this.#buffer.copyWithin(this.#filled * PAGE_BYTES, read * PAGE_BYTES, (read + count) * PAGE_BYTES);
    this.#sent.append(firstPage + skipped, count, file, source + skipped);
    this.#sent.place(this.#sender.writer.nextFrame, this.#filled);
    this.#filled += count;
  }

  #pages(first: number, count: number): Bytes {
    return this.#buffer.subarray(first * PAGE_BYTES, (first + count) * PAGE_BYTES);
  }
}
