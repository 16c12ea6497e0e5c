/**
 * A table of packs and of the frames in them: a part of encoded maps, and the whole table of a long stream. It is written in columns,
 * as differences from what is expected, so that most of it compresses to nothing; and so that packs out of order, frames that overlap, or
 * one frame twice cannot be written at all. `docs/FORMAT.md` has the layout.
 */
import { assert, defined } from '../../base/assert.ts';
import { fromHex, hex, viewOf } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import { UUID_BYTES, readUuid, writeUuid } from '../../base/uuid.ts';
import { FRAME_BYTES_MAX, PACKED_FRAME_BYTES_MAX } from '../../env/compute.ts';
import type { FrameCodec } from '../../env/compute.ts';
import { FRAMES_MAX, PACKS_MAX, PACK_BYTES_MAX, PACK_FRAMES_MAX } from './limits.ts';
import { PACK_HEADER_BYTES } from './pack-header.ts';
import type { PackName } from './pack-name.ts';
import type { FrameInfo } from './store-map.ts';
import type { VarintReader, VarintWriter } from './varints.ts';

const PACK_BYTES = UUID_BYTES + 4;
const DIGEST_BYTES = 32;
const codecs: readonly FrameCodec[] = ['stored', 'zstd'];

/** The packs of `frames`, in their order. */
export function packsOf(frames: readonly FrameInfo[]): readonly PackName[] {
  const packs: PackName[] = [];
  for (const { pack } of frames) {
    const last = packs.at(-1);
    if (last?.session !== pack.session || last.number !== pack.number) packs.push(pack);
  }
  return packs;
}

/** The order of packs in tables and manifests: by session, then by number. */
export function comparePacks(a: PackName, b: PackName): number {
  if (a.session !== b.session) return a.session < b.session ? -1 : 1;
  return a.number - b.number;
}

/** The order of frames in tables. */
export function compareFrames(a: FrameInfo, b: FrameInfo): number {
  return comparePacks(a.pack, b.pack) || a.number - b.number;
}

/** Length of the part of a table that is not varints. */
export function fixedTableBytes(packCount: number, frameCount: number): number {
  return packCount * PACK_BYTES + frameCount * DIGEST_BYTES;
}

/** Writes the packs and the digests of `frames` at `offset`. @param frames in their order. */
export function writeFixedTable(frames: readonly FrameInfo[], into: Bytes, offset: number): void {
  const packs = packsOf(frames);
  assert(packs.length <= PACKS_MAX && frames.length <= FRAMES_MAX, 'a table is within its bounds');
  for (const [index, { session, number }] of packs.entries()) {
    writeUuid(session, into, offset + index * PACK_BYTES);
    viewOf(into).setUint32(offset + index * PACK_BYTES + UUID_BYTES, number, true);
  }
  const digests = offset + packs.length * PACK_BYTES;
  for (const [index, { sha256 }] of frames.entries())
    into.set(fromHex(sha256), digests + index * DIGEST_BYTES);
}

/** Writes what else is said of `frames`. @param frames in their order. */
export function writeFrameColumns(frames: readonly FrameInfo[], writer: VarintWriter): void {
  for (let start = 0; start < frames.length;) {
    const end = endOfPack(frames, start);
    writer.write(end - start - 1);
    start = end;
  }
  const column = (value: (frame: FrameInfo, before: FrameInfo | null) => number): void => {
    let before: FrameInfo | null = null;
    for (const frame of frames) {
      const isSamePack = before !== null && comparePacks(before.pack, frame.pack) === 0;
      writer.write(value(frame, isSamePack ? before : null));
      before = frame;
    }
  };
  column(({ number }, before) => number - (before === null ? 0 : before.number + 1));
  column(
    ({ offset }, before) =>
      offset - (before === null ? PACK_HEADER_BYTES : before.offset + before.storedBytes),
  );
  column(({ storedBytes }) => storedBytes - 1);
  column(({ rawBytes }) => rawBytes - 1);
  column(({ codec }) => codecs.indexOf(codec));
}

function endOfPack(frames: readonly FrameInfo[], start: number): number {
  const { pack } = defined(frames[start], 'the first frame of a pack');
  let end = start + 1;
  for (let next = frames[end]; next !== undefined && comparePacks(pack, next.pack) === 0; next = frames[end])
    end += 1;
  return end;
}

/** Reads what is not trusted and throws what `damaged` makes of the reason. */
export class FrameTableReader {
  readonly #bytes: Bytes;
  readonly #check: (holds: boolean, what: string) => void;

  /** @param bytes the part with the packs and the digests, which is `fixedTableBytes` long. */
  constructor(bytes: Bytes, damaged: (what: string) => Error) {
    this.#bytes = bytes;
    this.#check = (holds, what) => {
      if (!holds) throw damaged(what);
    };
  }

  read(packCount: number, frameCount: number, reader: VarintReader): readonly FrameInfo[] {
    assert(this.#bytes.byteLength === fixedTableBytes(packCount, frameCount), 'the part is of its length');
    const packs = this.#readPacks(packCount);
    const packOf = this.#readFrameCounts(packs, frameCount, reader);
    const numbers = this.#readNumbers(packOf, reader);
    const gaps = Uint32Array.from(packOf, () => reader.read());
    const stored = Uint32Array.from(packOf, () => reader.read());
    const raw = Uint32Array.from(packOf, () => reader.read());
    const frames: FrameInfo[] = [];
    let end = 0;
    for (const [index, pack] of packOf.entries()) {
      const offset = (pack === packOf[index - 1] ? end : PACK_HEADER_BYTES) + defined(gaps[index], 'a gap');
      const storedBytes = defined(stored[index], 'a length') + 1;
      const rawBytes = defined(raw[index], 'a length') + 1;
      end = offset + storedBytes;
      this.#check(
        storedBytes <= PACKED_FRAME_BYTES_MAX && rawBytes <= FRAME_BYTES_MAX,
        'a frame is too long',
      );
      this.#check(end <= PACK_BYTES_MAX, 'a frame lies outside its pack');
      const codec = codecs[reader.read()];
      if (codec === undefined) this.#check(false, 'a frame has a codec that does not exist');
      const digest = packCount * PACK_BYTES + index * DIGEST_BYTES;
      frames.push({
        pack,
        number: defined(numbers[index], 'a number'),
        offset,
        storedBytes,
        rawBytes,
        codec: defined(codec, 'a codec'),
        sha256: hex(this.#bytes.subarray(digest, digest + DIGEST_BYTES)),
      });
    }
    return frames;
  }

  #readPacks(packCount: number): readonly PackName[] {
    const packs: PackName[] = [];
    for (let index = 0; index < packCount; index += 1) {
      const offset = index * PACK_BYTES;
      const session = readUuid(this.#bytes, offset);
      const last = packs.at(-1);
      const pack = { session, number: viewOf(this.#bytes).getUint32(offset + UUID_BYTES, true) };
      this.#check(last === undefined || comparePacks(last, pack) < 0, 'its packs are out of order');
      packs.push(pack);
    }
    return packs;
  }

  /** @returns the pack of each frame. */
  #readFrameCounts(
    packs: readonly PackName[],
    frameCount: number,
    reader: VarintReader,
  ): readonly PackName[] {
    const packOf: PackName[] = [];
    for (const pack of packs) {
      const count = reader.read() + 1;
      this.#check(
        count <= PACK_FRAMES_MAX && packOf.length + count <= frameCount,
        'a pack has too many frames',
      );
      for (let index = 0; index < count; index += 1) packOf.push(pack);
    }
    this.#check(packOf.length === frameCount, 'its packs have too few frames');
    return packOf;
  }

  #readNumbers(packOf: readonly PackName[], reader: VarintReader): Uint32Array {
    const numbers = new Uint32Array(packOf.length);
    let number = 0;
    for (const [index, pack] of packOf.entries()) {
      number = (pack === packOf[index - 1] ? number + 1 : 0) + reader.read();
      this.#check(number < PACK_FRAMES_MAX, 'a frame has a number that its pack cannot have');
      numbers[index] = number;
    }
    return numbers;
  }
}
