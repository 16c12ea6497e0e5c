/**
 * Frames into packs into the store, several of each at once:
 *
 *     add: waits for room ──▶ packFrame (threads) ──▶ its offset in its pack ──last of the pack──▶ put ──▶ durable
 *
 * So a slow store slows whoever adds, and what is held is bounded: raw frames by what keeps the threads busy, packed ones that are not durable yet
 * by `TRANSFER_BYTES_MAX`. A frame's pack and number are known before it is packed, since they are sealed with it; its offset is known when those
 * before it in the pack are packed.
 */
import { assert, defined } from '../../base/assert.ts';
import { freeBytes } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import { KelpieError } from '../../base/errors.ts';
import type { Lane, TaskGroup } from '../../base/task-group.ts';
import { KIB } from '../../base/units.ts';
import type { PackedFrame } from '../../env/compute.ts';
import type { Env } from '../../env/env.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import { PACK_BYTES_MAX, PACK_FRAMES_MAX, TRANSFER_BYTES_MAX } from './limits.ts';
import { PACK_HEADER_BYTES, encodePackHeader } from './pack-header.ts';
import { packKey } from './pack-name.ts';
import type { PackName } from './pack-name.ts';
import type { PackageSealing } from './sealing.ts';
import type { FrameInfo } from './store-map.ts';

/**
 * Buffers that are kept for the next packs. V8 collects all of a small heap whenever another 16 MB were allocated outside it: with fresh ones for each
 * pack 17 times in a publish of 310 MB, a tenth of its processor time; with few large ones four times.
 */
const SPARE_PACKS_MAX = 2;
/** Of a pack's buffer at first, and how many times longer it becomes when that is not enough. */
const PACK_BYTES_START: number = 64 * KIB;
const PACK_GROWTH = 2;

/** Indexes of frames, without the last. */
export interface FrameSpan {
  readonly from: number;
  readonly to: number;
}

export interface FrameWriterOptions {
  readonly objects: Pick<ObjectStore, 'putIfAbsent' | 'url'>;
  readonly sealing: Pick<PackageSealing, 'frameSeal'>;
  /** UUID that was never used before. */
  readonly session: string;
  /** Whose end ends all, and whose signal cancels. */
  readonly group: TaskGroup;
  /** A pack became durable. What it throws is the group's failure. */
  readonly onDurable: () => Promise<void>;
}

/** A frame between its packing and its pack's put. */
interface PackedPart extends PackedFrame {
  readonly rawBytes: number;
}

/** A pack that is not put yet. */
interface OpenPack {
  readonly name: PackName;
  /** Index of its first frame. */
  readonly from: number;
  /** Grows as frames come, up to `PACK_BYTES_MAX`: most packages have far less than a full pack to say. */
  bytes: Bytes;
  /** Frames that are packed before one in front of them is, by number: threads end in any order. */
  readonly early: Map<number, PackedPart>;
  frames: number;
  isClosed: boolean;
  /** How many of its frames have an offset. */
  laidOut: number;
  /** Where the next one begins. */
  endOffset: number;
}

export class FrameWriter {
  readonly #compute: Env['compute'];
  readonly #options: FrameWriterOptions;
  readonly #packing: Lane;
  readonly #putting: Lane;
  readonly #infos: (FrameInfo | null)[] = [];
  readonly #packs: PackName[] = [];
  readonly #durable = new Set<number>();
  #open: OpenPack | null = null;
  /** Buffers of packs that are durable, for the next ones. */
  readonly #spare: Bytes[] = [];
  /** Packed bytes that are not durable yet. */
  #heldBytes = 0;
  #lessHeld = Promise.withResolvers<void>();
  #storedBytes = 0;

  constructor(env: Pick<Env, 'compute'>, options: FrameWriterOptions) {
    this.#compute = env.compute;
    this.#options = options;
    // One more than keeps the threads busy: it is read while they work.
    this.#packing = options.group.lane(env.compute.framesAtOnce + 1);
    this.#putting = options.group.lane(Infinity);
  }

  /** Index that the next frame gets. */
  get nextFrame(): number {
    return this.#infos.length;
  }

  /** Every pack that was begun, in order. */
  get packs(): readonly PackName[] {
    return this.#packs;
  }

  /** Length of all packs that are durable. */
  get storedBytes(): number {
    return this.#storedBytes;
  }

  /** A frame that is packed, as after `packed`. */
  info(index: number): FrameInfo {
    return defined(this.#infos[index], 'a frame that was packed');
  }

  /** Null while the frame is not durable. */
  durable(index: number): FrameInfo | null {
    return this.#durable.has(index) ? this.info(index) : null;
  }

  /**
   * Waits for room, and takes the bytes over: an array that is the whole of its buffer is empty afterwards.
   * @returns the frame's index. @throws the group's first failure.
   */
  async add(raw: Bytes): Promise<number> {
    while (this.#heldBytes >= TRANSFER_BYTES_MAX) await this.#lessHeld.promise;
    const pack = this.#open ?? this.#begin();
    const index = this.#infos.length;
    const number = pack.frames;
    const rawBytes = raw.byteLength;
    this.#infos.push(null);
    pack.frames += 1;
    if (pack.frames === PACK_FRAMES_MAX) this.#close(pack);
    await this.#packing.begin(1, async () => {
      const packed = await this.#compute.packFrame(raw, this.#options.sealing.frameSeal(pack.name, number));
      this.#heldBytes += packed.bytes.byteLength;
      pack.early.set(number, { ...packed, rawBytes });
      this.#layOut(pack);
      await this.#putIfWhole(pack);
    });
    return index;
  }

  /** Waits until every frame is packed, so that `info` knows all. @throws the group's first failure. */
  async packed(): Promise<void> {
    await this.#packing.idle();
  }

  /** Ends the pack that is being filled, and waits until all are durable. @throws the group's first failure. */
  async flush(): Promise<void> {
    const last = this.#open;
    await this.packed();
    if (last !== null) {
      this.#close(last);
      await this.#putIfWhole(last);
    }
    await this.#putting.idle();
    for (const bytes of this.#spare.splice(0)) freeBytes(bytes);
  }

  #begin(): OpenPack {
    const name = { session: this.#options.session, number: this.#packs.length };
    this.#packs.push(name);
    const bytes = this.#spare.pop() ?? new Uint8Array(PACK_BYTES_START);
    bytes.set(encodePackHeader(name));
    this.#open = {
      ...{ name, from: this.#infos.length, bytes, early: new Map(), frames: 0 },
      ...{ isClosed: false, laidOut: 0, endOffset: PACK_HEADER_BYTES },
    };
    return this.#open;
  }

  #close(pack: OpenPack): void {
    pack.isClosed = true;
    this.#open = null;
  }

  #layOut(pack: OpenPack): void {
    for (let part = pack.early.get(pack.laidOut); part !== undefined; part = pack.early.get(pack.laidOut)) {
      const { bytes, codec, sha256, rawBytes } = part;
      const storedBytes = bytes.byteLength;
      const place = { pack: pack.name, number: pack.laidOut, offset: pack.endOffset };
      this.#infos[pack.from + pack.laidOut] = { ...place, storedBytes, rawBytes, codec, sha256 };
      if (pack.bytes.byteLength < pack.endOffset + storedBytes)
        pack.bytes = grown(pack.bytes, pack.endOffset + storedBytes);
      pack.bytes.set(bytes, pack.endOffset);
      // The collector would come tens of megabytes late to them.
      freeBytes(bytes);
      pack.early.delete(pack.laidOut);
      pack.laidOut += 1;
      pack.endOffset += storedBytes;
    }
  }

  async #putIfWhole(pack: OpenPack): Promise<void> {
    if (!pack.isClosed || pack.laidOut < pack.frames) return;
    await this.#putting.begin(1, async () => {
      try {
        await this.#put(pack);
      } finally {
        this.#heldBytes -= pack.endOffset - PACK_HEADER_BYTES;
        this.#lessHeld.resolve();
        this.#lessHeld = Promise.withResolvers();
      }
    });
  }

  async #put({ name, from, frames, bytes, endOffset }: OpenPack): Promise<void> {
    const { objects, group, onDurable } = this.#options;
    const body = bytes.subarray(0, endOffset);
    const { result } = await objects.putIfAbsent(packKey(name), body, { signal: group.signal });
    if (result !== 'written') {
      const message = `${packKey(name)} was in ${objects.url} before it was written: check the store with \`kelpie doctor --store\`.`;
      throw new KelpieError('store_conflict', message);
    }
    if (this.#spare.length < SPARE_PACKS_MAX) this.#spare.push(bytes);
    else freeBytes(bytes);
    this.#storedBytes += endOffset;
    for (let index = from; index < from + frames; index += 1) this.#durable.add(index);
    await onDurable();
  }
}

/** The same bytes in a larger array, with room for as many as are needed. */
function grown(bytes: Bytes, neededBytes: number): Bytes {
  assert(neededBytes <= PACK_BYTES_MAX, 'no pack is longer');
  const larger = new Uint8Array(
    Math.min(PACK_BYTES_MAX, Math.max(neededBytes, PACK_GROWTH * bytes.byteLength)),
  );
  larger.set(bytes);
  freeBytes(bytes);
  return larger;
}
