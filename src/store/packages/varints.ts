/** Whole numbers below 2³² in as few bytes as they need, seven bits each, the lowest first (LEB128). */
import { assert } from '../../base/assert.ts';
import type { Bytes } from '../../base/bytes.ts';

const CAPACITY_START = 1024;
const VARINT_BYTES_MAX = 5;
const VALUE_END = 2 ** 32;

/** A signed number as an unsigned one: 0, −1, 1, −2 … become 0, 1, 2, 3 … */
export function zigzag(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value;
}

/** The reverse. */
export function unzigzag(value: number): number {
  return value % 2 === 1 ? -(value + 1) / 2 : value / 2;
}

export class VarintWriter {
  #bytes = new Uint8Array(CAPACITY_START);
  #length = 0;

  /** @param value below 2³². */
  write(value: number): void {
    assert(
      Number.isInteger(value) && value >= 0 && value < VALUE_END,
      'a varint is a whole number below 2³²',
    );
    if (this.#length + VARINT_BYTES_MAX > this.#bytes.byteLength) this.#grow();
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) {
      this.#bytes[this.#length] = (rest % 0x80) + 0x80;
      this.#length += 1;
    }
    this.#bytes[this.#length] = rest;
    this.#length += 1;
  }

  /** The writer is spent. */
  finish(): Bytes {
    return this.#bytes.subarray(0, this.#length);
  }

  #grow(): void {
    const bytes = new Uint8Array(this.#bytes.byteLength * 2);
    bytes.set(this.#bytes);
    this.#bytes = bytes;
  }
}

/** Reads what is not trusted: each number must be spelled the shortest way, so that one value has one encoding. */
export class VarintReader {
  readonly #bytes: Bytes;
  readonly #damaged: (what: string) => Error;
  #offset = 0;

  /** @param damaged makes the error that is thrown. */
  constructor(bytes: Bytes, damaged: (what: string) => Error) {
    this.#bytes = bytes;
    this.#damaged = damaged;
  }

  get isAtEnd(): boolean {
    return this.#offset === this.#bytes.byteLength;
  }

  read(): number {
    let value = 0;
    for (let index = 0, weight = 1; index < VARINT_BYTES_MAX; index += 1, weight *= 0x80) {
      const byte = this.#bytes[this.#offset];
      if (byte === undefined) throw this.#damaged('it ends within a number');
      this.#offset += 1;
      value += (byte & 0x7f) * weight;
      if (byte >= 0x80) continue;
      if (byte === 0 && index > 0) throw this.#damaged('a number is longer than it need be');
      if (value >= VALUE_END) throw this.#damaged('a number is too large');
      return value;
    }
    throw this.#damaged('a number is too long');
  }
}
