/**
 * The envelope of the guest protocol (`docs/PROTOCOL.md`, "Frame"): encoding, and a decoder that takes bytes in any
 * pieces and holds at most one frame.
 */
import { viewOf } from '../base/bytes.ts';
import type { Bytes } from '../base/bytes.ts';
import { assert } from '../base/assert.ts';
import type { Compute } from '../env/compute.ts';
import { guestProtocolError } from './guest-errors.ts';
import { FRAME_PAYLOAD_BYTES_MAX } from './limits.ts';

export const frameTypes = {
  hello: 0x01,
  welcome: 0x02,
  request: 0x10,
  response: 0x11,
  event: 0x12,
  data: 0x20,
  end: 0x21,
  credit: 0x22,
} as const;

export type FrameType = (typeof frameTypes)[keyof typeof frameTypes];

/** What a guest may send. */
export const guestFrameTypes: readonly FrameType[] = [
  frameTypes.welcome,
  frameTypes.response,
  frameTypes.event,
  frameTypes.data,
  frameTypes.end,
  frameTypes.credit,
];

export interface Frame {
  readonly type: FrameType;
  /** Memory of its own: keeping it keeps nothing else. */
  readonly payload: Bytes;
}

/** All that the codec needs of the outside. */
export type Checksum = Pick<Compute, 'crc32'>;

export const FRAME_HEADER_BYTES = 8;
const FRAME_TRAILER_BYTES = 4;
/** `K`. */
const FRAME_START = 0x4b;
const PADDING = 0x00;

/** One frame whose payload is the given parts, back to back. */
export function encodeFrame(checksum: Checksum, type: FrameType, ...parts: readonly Bytes[]): Bytes {
  const length = parts.reduce((sum, part) => sum + part.byteLength, 0);
  assert(length <= FRAME_PAYLOAD_BYTES_MAX, `a payload of ${length} bytes fits a frame`);
  const frame = new Uint8Array(FRAME_HEADER_BYTES + length + FRAME_TRAILER_BYTES);
  const view = viewOf(frame);
  frame[0] = FRAME_START;
  frame[1] = type;
  view.setUint32(4, length, true);
  let offset = FRAME_HEADER_BYTES;
  for (const part of parts) {
    frame.set(part, offset);
    offset += part.byteLength;
  }
  view.setUint32(offset, checksum.crc32(frame.subarray(0, offset)), true);
  return frame;
}

/** Finds frames in a stream that is fed in pieces of any size. It holds one frame's bytes, whatever it is fed. */
export class FrameDecoder {
  readonly #checksum: Checksum;
  readonly #types: readonly FrameType[];
  readonly #frame = new Uint8Array(FRAME_HEADER_BYTES + FRAME_PAYLOAD_BYTES_MAX + FRAME_TRAILER_BYTES);
  readonly #view: DataView = viewOf(this.#frame);
  #filled = 0;
  /** How many bytes `#frame` needs before the next step: a header, then the whole frame. */
  #needed = FRAME_HEADER_BYTES;
  #type: FrameType | null = null;

  /** @param types the types that the other side may send. */
  constructor(checksum: Checksum, types: readonly FrameType[]) {
    this.#checksum = checksum;
    this.#types = types;
  }

  /**
   * Takes all of `chunk` and calls `onFrame` for each frame that it completes.
   * @throws KelpieError `guest_protocol_error`, or what `onFrame` threw; the decoder is then spent.
   */
  decode(chunk: Bytes, onFrame: (frame: Frame) => void): void {
    let offset = 0;
    while (offset < chunk.byteLength) {
      if (this.#filled === 0) {
        offset = skipPadding(chunk, offset);
        if (offset === chunk.byteLength) return;
        // Before the rest of a header comes: text on the stream must not look like a guest that is merely slow.
        if (chunk[offset] !== FRAME_START) throw guestProtocolError(`byte ${chunk[offset]} between frames`);
      }
      const taken = Math.min(this.#needed - this.#filled, chunk.byteLength - offset);
      this.#frame.set(chunk.subarray(offset, offset + taken), this.#filled);
      this.#filled += taken;
      offset += taken;
      if (this.#filled < this.#needed) return;
      if (this.#type === null) this.#readHeader();
      else onFrame(this.#takeFrame(this.#type));
    }
  }

  #readHeader(): void {
    if (this.#view.getUint16(2, true) !== 0) throw guestProtocolError('a reserved field is not zero');
    const type = this.#types.find((known) => known === this.#frame[1]);
    if (type === undefined) throw guestProtocolError(`a frame of type ${this.#frame[1]}`);
    const length = this.#view.getUint32(4, true);
    if (length > FRAME_PAYLOAD_BYTES_MAX) throw guestProtocolError(`a frame of ${length} bytes`);
    this.#type = type;
    this.#needed = FRAME_HEADER_BYTES + length + FRAME_TRAILER_BYTES;
  }

  #takeFrame(type: FrameType): Frame {
    const end = this.#needed - FRAME_TRAILER_BYTES;
    if (this.#view.getUint32(end, true) !== this.#checksum.crc32(this.#frame.subarray(0, end))) {
      throw guestProtocolError('the checksum of a frame is wrong');
    }
    this.#type = null;
    this.#filled = 0;
    this.#needed = FRAME_HEADER_BYTES;
    return { type, payload: this.#frame.slice(FRAME_HEADER_BYTES, end) };
  }
}

function skipPadding(chunk: Bytes, offset: number): number {
  let next = offset;
  while (next < chunk.byteLength && chunk[next] === PADDING) next += 1;
  return next;
}
