/**
 * How simulated HTTP lies on a simulated connection: frames instead of HTTP's own bytes, one exchange per connection. What matters to
 * those who use it is the same: heads, bodies in pieces, either side going at any of them.
 *
 *     u32 little-endian payload length | u8 kind | payload
 */
import type { z } from 'zod';
import { fromUtf8, utf8, viewOf } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import { KIB, MIB } from '../../base/units.ts';
import type { Connection } from '../../env/sockets.ts';
import { parseJson } from '../parse-json.ts';
import { SystemError } from '../../env/system-error.ts';

export type FrameKind = 'head' | 'data' | 'end';

export interface Frame {
  readonly kind: FrameKind;
  readonly payload: Bytes;
}

const kinds: readonly FrameKind[] = ['head', 'data', 'end'];
const HEADER_BYTES = 5;
const PAYLOAD_BYTES_MAX: number = MIB;
/** Bodies are cut to this. */
export const DATA_BYTES_MAX: number = 64 * KIB;

export function encodeFrame(kind: FrameKind, payload: Bytes): Bytes {
  const bytes = new Uint8Array(HEADER_BYTES + payload.byteLength);
  viewOf(bytes).setUint32(0, payload.byteLength, true);
  bytes[4] = kinds.indexOf(kind);
  bytes.set(payload, HEADER_BYTES);
  return bytes;
}

export function headFrame(head: unknown): Bytes {
  return encodeFrame('head', utf8(JSON.stringify(head)));
}

export function headOf<T>(frame: Frame, schema: z.ZodType<T>): T {
  return parseJson(schema, fromUtf8(frame.payload));
}

/** Sends a body in pieces. */
export async function sendBody(connection: Connection, body: AsyncIterable<Bytes>): Promise<void> {
  for await (const part of body) {
    for (let start = 0; start < part.byteLength; start += DATA_BYTES_MAX) {
      await connection.write(encodeFrame('data', part.subarray(start, start + DATA_BYTES_MAX)));
    }
  }
  await connection.write(encodeFrame('end', new Uint8Array(0)));
}

/** Takes a connection's bytes apart. */
export class FrameReader {
  readonly #connection: Connection;
  #rest: Bytes = new Uint8Array(0);

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Null when the other side is gone, also in the middle of a frame. @throws SystemError `EPROTO`, `ECONNRESET`. */
  async next(): Promise<Frame | null> {
    if (!(await this.#fill(HEADER_BYTES))) return null;
    const length = viewOf(this.#rest).getUint32(0, true);
    const kind = kinds[this.#rest[4] ?? kinds.length];
    if (kind === undefined || length > PAYLOAD_BYTES_MAX) throw new SystemError('EPROTO', 'read', 'http');
    if (!(await this.#fill(HEADER_BYTES + length))) return null;
    const payload = this.#rest.slice(HEADER_BYTES, HEADER_BYTES + length);
    this.#rest = this.#rest.subarray(HEADER_BYTES + length);
    return { kind, payload };
  }

  async #fill(length: number): Promise<boolean> {
    while (this.#rest.byteLength < length) {
      const more = await this.#connection.read();
      if (more === null) return false;
      const joined = new Uint8Array(this.#rest.byteLength + more.byteLength);
      joined.set(this.#rest);
      joined.set(more, this.#rest.byteLength);
      this.#rest = joined;
    }
    return true;
  }
}
