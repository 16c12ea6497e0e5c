/**
 * How simulated HTTP lies on a simulated connection: frames instead of HTTP's own bytes, one exchange per connection. What matters to
 * those who use it is the same: heads, bodies in pieces, either side going at any of them.
 *
 *     u32 little-endian payload length | u8 kind | payload
 */
import { concat, fromUtf8, utf8, viewOf } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import { OneInFlight } from '../../base/one-in-flight.ts';
import { KIB, MIB } from '../../base/units.ts';
import type { Connection } from '../../env/sockets.ts';
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
const DATA_BYTES_MAX: number = 64 * KIB;

export function encodeFrame(kind: FrameKind, payload: Bytes): Bytes {
  const bytes = new Uint8Array(HEADER_BYTES + payload.byteLength);
  viewOf(bytes).setUint32(0, payload.byteLength, true);
  bytes[4] = kinds.indexOf(kind);
  bytes.set(payload, HEADER_BYTES);
  return bytes;
}

const END: Bytes = encodeFrame('end', new Uint8Array(0));

/** The first words of a request or an answer: its line, then its headers. */
export interface Head {
  readonly line: string;
  readonly headers: Readonly<Record<string, string>>;
}

export function headFrame({ line, headers }: Head): Bytes {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return encodeFrame('head', utf8([line, ...lines].join('\n')));
}

export function headOf(frame: Frame): Head {
  const [line = '', ...lines] = fromUtf8(frame.payload).split('\n');
  const headers: Record<string, string> = {};
  for (const header of lines) {
    const at = header.indexOf(': ');
    headers[header.slice(0, at)] = header.slice(at + 2);
  }
  return { line, headers };
}

function* dataFrames(bytes: Bytes): Generator<Bytes> {
  for (let start = 0; start < bytes.byteLength; start += DATA_BYTES_MAX)
    yield encodeFrame('data', bytes.subarray(start, start + DATA_BYTES_MAX));
}

/** A whole body, whose end is known. */
export function bodyFrames(body: Bytes): readonly Bytes[] {
  return [...dataFrames(body), END];
}

/**
 * Sends frames: what is sent while a write is under way goes with the next one, as a system's own buffer does it, in pieces that a reader
 * can hold up.
 */
export class FrameWriter {
  readonly #connection: Connection;
  readonly #waiting: Bytes[] = [];
  #writing: Promise<void> | null = null;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Resolves when all that was sent so far is taken. @throws SystemError as writing to the connection does. */
  send(...frames: readonly Bytes[]): Promise<void> {
    this.#waiting.push(...frames);
    this.#writing ??= this.#flush();
    return this.#writing;
  }

  /** Asks for the next part while one is on its way: the last one goes together with the end. */
  async sendBody(body: AsyncIterable<Bytes>): Promise<void> {
    const sending = new OneInFlight();
    for await (const part of body)
      for (const frame of dataFrames(part)) await sending.begin(() => this.send(frame));
    await Promise.all([sending.end(), this.send(END)]);
  }

  async #flush(): Promise<void> {
    try {
      while (this.#waiting.length > 0) await this.#connection.write(concat(this.#waiting.splice(0)));
    } finally {
      this.#writing = null;
    }
  }
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
      this.#rest = this.#rest.byteLength === 0 ? more : concat([this.#rest, more]);
    }
    return true;
  }
}
