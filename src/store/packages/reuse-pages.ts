/**
 * Pages of a package out of files of this host, instead of its store:
 *
 *     frames that are whole here ─▶ read ─▶ packed again ─▶ the digest of the map ─▶ written to their places
 *                                     │                          └ another one ─┐
 *                                     └ missing, too short, unreadable ─────────┴─▶ left to whoever fetches
 *
 * The files of a host have no digests, and may have been damaged since they were written. The same pages packed by the same rules are the same
 * bytes, and of those the map has the digest: so what is used was proven as what is fetched is. A publisher whose zstd packs otherwise
 * proves nothing, and its frames are fetched (docs/adr/0106).
 */
import { defined } from '../../base/assert.ts';
import { freeBytes } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import { asError, isKelpieError } from '../../base/errors.ts';
import { inParallel } from '../../base/in-parallel.ts';
import { Slots } from '../../base/slots.ts';
import { FRAME_BYTES_MAX } from '../../env/compute.ts';
import { isSystemError } from '../../env/system-error.ts';
import { writePlaces } from '../../env/write-places.ts';
import type { OpenPageFiles } from '../../snapshot/open-page-files.ts';
import type { ActOptions } from '../objects/object-store.ts';
import type { FrameReader, FrameSink } from './frame-reader.ts';
import { SESSION_DOUBTS_MAX } from './limits.ts';
import type { LocalFrames } from './local-frames.ts';
import type { FrameInfo } from './store-map.ts';

export interface ReusedFrames {
  /** Indexes of the frames that are at their places, in no order. */
  readonly proven: readonly number[];
  /** Indexes of frames that have to be fetched after all, in no order. */
  readonly doubted: readonly number[];
  /** Why the first of them could not be used, when a file could not be read. */
  readonly cause: Error | null;
}

export interface ReuseRequest {
  readonly table: readonly FrameInfo[];
  readonly here: LocalFrames;
  readonly files: OpenPageFiles;
  readonly sink: FrameSink;
}

/** @throws KelpieError `package_corrupt`; SystemError of the sink; what `wrote` throws. What is wrong with this host's files is told, not thrown. */
export async function reusePages(
  reader: FrameReader,
  request: ReuseRequest,
  { signal }: ActOptions = {},
): Promise<ReusedFrames> {
  const reuse = new PageReuse(reader, request);
  const tryFrame = async (frame: number): Promise<void> => await reuse.tryFrame(frame);
  try {
    await inParallel(request.here.whole, reader.framesAtOnce, tryFrame, signal);
  } finally {
    reuse.release();
  }
  return reuse.result;
}

class PageReuse {
  readonly #reader: FrameReader;
  readonly #request: ReuseRequest;
  /** One frame is read at a time: an open file makes room for another. */
  readonly #reading = new Slots(1);
  readonly #spare: Bytes[] = [];
  readonly #proven: number[] = [];
  readonly #doubted: number[] = [];
  /** By session: frames whose pages were read, and packed to something else. */
  readonly #mismatches = new Map<string, number>();
  readonly #trusted = new Set<string>();
  #cause: Error | null = null;

  constructor(reader: FrameReader, request: ReuseRequest) {
    this.#reader = reader;
    this.#request = request;
  }

  get result(): ReusedFrames {
    return { proven: this.#proven, doubted: this.#doubted, cause: this.#cause };
  }

  release(): void {
    for (const bytes of this.#spare.splice(0)) freeBytes(bytes);
  }

  async tryFrame(frame: number): Promise<void> {
    const info = defined(this.#request.table[frame], 'a frame of the table');
    const room = this.#spare.pop() ?? new Uint8Array(FRAME_BYTES_MAX);
    const raw = room.subarray(0, info.rawBytes);
    if (await this.#prove(frame, info, raw)) {
      const { file, placesOf, wrote } = this.#request.sink;
      await writePlaces({ file, places: placesOf(frame) }, raw);
      this.#proven.push(frame);
      await wrote(frame);
    } else this.#doubted.push(frame);
    this.#spare.push(room);
  }

  /** Whether the frame's pages are in `raw` now. */
  async #prove(frame: number, info: FrameInfo, raw: Bytes): Promise<boolean> {
    const { session } = info.pack;
    const mismatches = this.#mismatches.get(session) ?? 0;
    if (mismatches >= SESSION_DOUBTS_MAX && !this.#trusted.has(session)) return false;
    if (!(await this.#read(frame, raw))) return false;
    const isIt = await this.#reader.isMadeOf(info, raw);
    if (isIt) this.#trusted.add(session);
    else this.#mismatches.set(session, (this.#mismatches.get(session) ?? 0) + 1);
    return isIt;
  }

  async #read(frame: number, raw: Bytes): Promise<boolean> {
    const { here, files } = this.#request;
    try {
      await this.#reading.run(async () => await files.read(here.piecesOf(frame), raw));
      return true;
    } catch (error) {
      // Whatever it is, the store has the pages too.
      if (!isKelpieError(error, 'snapshot_corrupt') && !isSystemError(error)) throw error;
      this.#cause ??= asError(error);
      return false;
    }
  }
}
