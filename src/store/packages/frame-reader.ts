/** Frames out of a store: checked against their digests, opened and decompressed. Everything else that reads packages stands on this. */
import { assert, defined } from '../../base/assert.ts';
import { freeBytes } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import { KelpieError } from '../../base/errors.ts';
import { Slots } from '../../base/slots.ts';
import { MIB } from '../../base/units.ts';
import { FRAME_BYTES_MAX } from '../../env/compute.ts';
import type { FramePlace, FrameSeal, PackedFrame } from '../../env/compute.ts';
import type { Env } from '../../env/env.ts';
import type { FileHandle } from '../../env/files.ts';
import { FrameDamaged } from '../../env/frame-damaged.ts';
import type { ActOptions, GetOptions, ObjectStore } from '../objects/object-store.ts';
import { RANGE_BYTES_MAX, TRANSFER_BYTES_MAX } from './limits.ts';
import { packsOf } from './frame-table.ts';
import { packKey, packText } from './pack-name.ts';
import type { PackName } from './pack-name.ts';
import type { FrameRange } from './frame-ranges.ts';
import type { PackageSealing } from './sealing.ts';
import type { FrameInfo } from './store-map.ts';

/** Ranges under way at once, so that no more than `TRANSFER_BYTES_MAX` are held. */
export const RANGES_AT_ONCE: number = Math.floor(TRANSFER_BYTES_MAX / RANGE_BYTES_MAX);

/** Shorter ranges are read into buffers of their own: they are few, or of small packages. */
const SPARE_RANGE_BYTES_MIN: number = MIB;

/** Where packages of one store are read from. */
export interface FrameSource {
  readonly objects: Pick<ObjectStore, 'get' | 'head'>;
  readonly sealing: Pick<PackageSealing, 'frameSeal'>;
}

/** What is read: its manifest's key and the packs that it names. */
export interface FrameOwner {
  readonly key: string;
  readonly packs: readonly PackName[];
}

/** Where frames go instead of into memory. */
export interface FrameSink {
  readonly file: FileHandle;
  readonly placesOf: (index: number) => readonly FramePlace[];
  /** Bytes of a range have come, of which nothing is written yet. */
  readonly arrived: (bytes: number) => void;
  /** All places of a frame are written. */
  readonly wrote: (index: number) => Promise<void>;
}

type FrameAct = (frame: FrameInfo, bytes: Bytes, index: number) => Promise<void>;
type OpenFrame<T> = (packed: PackedFrame, seal: FrameSeal | null) => Promise<T>;

export class FrameReader {
  readonly #compute: Env['compute'];
  readonly #source: FrameSource;
  readonly #owner: string;
  readonly #slots: Slots;
  readonly #packs: ReadonlySet<string>;
  /** Buffers of ranges that were read, for the next ones: fresh ones for each are a reason for V8 to collect its whole heap. */
  readonly #spare: Bytes[] = [];

  constructor(env: Pick<Env, 'compute'>, source: FrameSource, { key, packs }: FrameOwner) {
    this.#compute = env.compute;
    this.#source = source;
    this.#owner = key;
    this.#slots = new Slots(env.compute.framesAtOnce);
    this.#packs = new Set(packs.map(packText));
  }

  /** Frames that are worked on side by side. */
  get framesAtOnce(): number {
    return this.#compute.framesAtOnce;
  }

  /** Gives memory back that later reads would have used. */
  release(): void {
    for (const bytes of this.#spare.splice(0)) freeBytes(bytes);
  }

  /** @throws KelpieError `package_corrupt` when one is in a pack that the package does not name: a sweep would not keep it. */
  requireNamed(frames: readonly FrameInfo[], what: string): void {
    for (const pack of packsOf(frames)) {
      if (this.#packs.has(packText(pack))) continue;
      const message = `${what} of the package cannot be used: it refers to pack ${packText(pack)}, which the package does not name.`;
      throw new KelpieError('package_corrupt', message);
    }
  }

  /**
   * Reads one range and gives each of its frames to `take`, in no promised order, with their raw bytes, which then belong to it. When this
   * settles, no `take` runs any more.
   * @param table that the range's frames are indexes of.
   * @throws KelpieError `package_corrupt`, StoreTrouble, what `take` throws.
   */
  async read(
    table: readonly FrameInfo[],
    range: FrameRange,
    take: (raw: Bytes, index: number) => Promise<void>,
    options: ActOptions = {},
  ): Promise<void> {
    await this.#each(table, range, options, async (frame, bytes, index) => {
      const open = async (packed: PackedFrame, seal: FrameSeal | null): Promise<Bytes> =>
        await this.#compute.unpackFrame(packed, frame.rawBytes, seal);
      await take(await this.#open(frame, bytes, open, options), index);
    });
  }

  /**
   * The same, but the frames' raw bytes go to their places in a file, which stays open until this settles.
   * @throws also SystemError of the file.
   */
  async write(
    table: readonly FrameInfo[],
    range: FrameRange,
    { file, placesOf, arrived, wrote }: FrameSink,
    options: ActOptions = {},
  ): Promise<void> {
    const write: FrameAct = async (frame, bytes, index) => {
      const target = { file, places: placesOf(index) };
      const open = async (packed: PackedFrame, seal: FrameSeal | null): Promise<void> =>
        await this.#compute.unpackFrameTo(target, packed, frame.rawBytes, seal);
      await this.#open(frame, bytes, open, options);
      await wrote(index);
    };
    await this.#each(table, range, options, write, arrived);
  }

  /**
   * True when the frame was surely made of these raw bytes, of its length, wherever they come from: packed as a publisher packs, they are what is stored, by its digest.
   * False says nothing: another version of zstd packs the same bytes otherwise. The bytes stay the caller's.
   */
  async isMadeOf({ pack, number, rawBytes, codec, sha256 }: FrameInfo, raw: Bytes): Promise<boolean> {
    assert(raw.byteLength === rawBytes, 'a frame is made of as many bytes as it has');
    const copy = rawBytes === FRAME_BYTES_MAX ? this.#compute.frameBuffer() : new Uint8Array(rawBytes);
    copy.set(raw);
    // The one place where something else may be sealed as another frame was: it is compared, and goes nowhere.
    const seal = this.#source.sealing.frameSeal(pack, number);
    const packed = await this.#slots.run(async () => await this.#compute.packFrame(copy, seal));
    freeBytes(packed.bytes);
    return packed.codec === codec && packed.sha256 === sha256;
  }

  /** One that waits holds no more than its part of the range; what is done with one is done before the next is begun. */
  async #each(
    table: readonly FrameInfo[],
    range: FrameRange,
    options: ActOptions,
    act: FrameAct,
    arrived?: FrameSink['arrived'],
  ): Promise<void> {
    const { offset, length } = range;
    const room =
      length < SPARE_RANGE_BYTES_MIN ? null : (this.#spare.pop() ?? new Uint8Array(RANGE_BYTES_MAX));
    const stored = await this.#get(range, room === null ? options : { ...options, into: room });
    arrived?.(length);
    const settled = await Promise.allSettled(
      range.frames.map(async (index) => {
        const frame = defined(table[index], 'a frame of the range');
        const start = frame.offset - offset;
        const bytes = stored.subarray(start, Math.min(length, start + frame.storedBytes));
        await this.#slots.run(async () => {
          options.signal?.throwIfAborted();
          await act(frame, bytes, index);
        });
      }),
    );
    if (room !== null && this.#spare.length < RANGES_AT_ONCE) this.#spare.push(room);
    // Not every store reads into what it is given.
    if (stored.buffer !== room?.buffer) freeBytes(stored);
    for (const outcome of settled) if (outcome.status === 'rejected') throw outcome.reason;
  }

  /** Bytes that were damaged on their way are right when they are fetched again; the second time they are damaged in the store. */
  async #open<T>(frame: FrameInfo, bytes: Bytes, open: OpenFrame<T>, options: ActOptions): Promise<T> {
    const { codec, sha256, pack, number } = frame;
    const tryOpen = async (stored: Bytes): Promise<T> =>
      await open({ bytes: stored, codec, sha256 }, this.#source.sealing.frameSeal(pack, number));
    try {
      return await tryOpen(bytes);
    } catch (error) {
      if (!(error instanceof FrameDamaged)) throw error;
      if (error.damage !== 'digest') throw damagedFrame(frame, error);
    }
    const again = await this.#get({ ...frame, length: frame.storedBytes }, options);
    try {
      return await tryOpen(again);
    } catch (error) {
      throw error instanceof FrameDamaged ? damagedFrame(frame, error) : error;
    }
  }

  async #get(
    { pack, offset, length }: Pick<FrameRange, 'pack' | 'offset' | 'length'>,
    options: GetOptions,
  ): Promise<Bytes> {
    const object = await this.#source.objects.get(packKey(pack), { ...options, range: { offset, length } });
    if (object === null) throw await this.#missing(pack, options);
    if (object.bytes.byteLength === length) return object.bytes;
    throw new KelpieError(
      'package_corrupt',
      `pack ${packText(pack)} is damaged: it ends after ${object.sizeBytes} bytes, before what the package needs of it.`,
    );
  }

  async #missing(pack: PackName, options: ActOptions): Promise<KelpieError> {
    if ((await this.#source.objects.head(this.#owner, options)) === null)
      return new KelpieError(
        'package_not_found',
        'the package was removed from the store while it was read.',
      );
    const message = `pack ${packText(pack)}, which the package needs, is not in the store any more: use another package.`;
    return new KelpieError('package_corrupt', message);
  }
}

function damagedFrame({ pack, number }: FrameInfo, { damage, cause }: FrameDamaged): KelpieError {
  const reasons = {
    digest: 'its digest is wrong',
    seal: 'it was not sealed for this place with the keys of this store',
    contents: 'it does not hold what it should',
  };
  const message = `frame ${number} of pack ${packText(pack)} is damaged: ${reasons[damage]}.`;
  return new KelpieError('package_corrupt', message, { cause });
}
