/**
 * The frames of an attached session, in both directions of one `POST …/attach`: u8 kind, u32 little-endian payload length, payload of at most
 * `EXEC_FRAME_BYTES_MAX`.
 *
 *     client → daemon                             daemon → client
 *     0x01 open     JSON ExecOpen, first, once    0x11 opened  JSON ExecOpened, first, once
 *     0x02 stdin    bytes                         0x12 stdout  bytes
 *     0x03 end      stdin ends                    0x13 stderr  bytes
 *     0x04 resize   JSON TerminalSize             0x14 end     u8: 1 stdout, 2 stderr ended
 *     0x05 signal   JSON {signal}                 0x15 exit    JSON SessionExit, last
 *     0x06 detach   leaves the command running    0x16 error   JSON Problem, last
 *                                                 0x17 detached, last
 *
 * What cannot be opened at all is answered as problem details with its HTTP status, without any frame. A client that goes away detaches: the
 * command lives on. Back-pressure is the connection's own.
 */
import { KelpieError } from '../../base/errors.ts';
import { concat, viewOf } from '../../base/bytes.ts';
import { isJsonObject, isSafeInteger } from '../../base/json.ts';
import { EXEC_FRAME_BYTES_MAX } from './limits.ts';
import type { Bytes } from '../../base/bytes.ts';
import type { SessionExit } from '../../guest/guest-agent.ts';

export const EXEC_CONTENT_TYPE = 'application/x-kelpie-exec';

export const execFrameKinds = {
  open: 0x01,
  stdin: 0x02,
  stdinEnd: 0x03,
  resize: 0x04,
  signal: 0x05,
  detach: 0x06,
  opened: 0x11,
  stdout: 0x12,
  stderr: 0x13,
  outputEnd: 0x14,
  exit: 0x15,
  error: 0x16,
  detached: 0x17,
} as const;

export type ExecFrameKind = keyof typeof execFrameKinds;

export interface ExecFrame {
  readonly kind: ExecFrameKind;
  readonly payload: Bytes;
}

const HEADER_BYTES = 5;
const kindOfByte: ReadonlyMap<number, ExecFrameKind> = new Map(
  Object.keys(execFrameKinds)
    .filter(isExecFrameKind)
    .map((kind) => [execFrameKinds[kind], kind]),
);

function isExecFrameKind(name: string): name is ExecFrameKind {
  return Object.hasOwn(execFrameKinds, name);
}

/** One frame's bytes. @throws KelpieError `limit_exceeded` when the payload is too long: split output before. */
export function encodeExecFrame(kind: ExecFrameKind, payload: Bytes = new Uint8Array(0)): Bytes {
  if (payload.byteLength > EXEC_FRAME_BYTES_MAX) {
    throw new KelpieError(
      'limit_exceeded',
      `a frame of a session holds at most ${EXEC_FRAME_BYTES_MAX} bytes.`,
    );
  }
  const frame = new Uint8Array(HEADER_BYTES + payload.byteLength);
  frame[0] = execFrameKinds[kind];
  viewOf(frame).setUint32(1, payload.byteLength, true);
  frame.set(payload, HEADER_BYTES);
  return frame;
}

/**
 * The frames of a body. Lengths are checked before anything is kept.
 * @throws KelpieError `usage` when a kind is unknown, a frame too long, or the body ends inside one.
 */
export async function* decodeExecFrames(body: AsyncIterable<Bytes>): AsyncGenerator<ExecFrame, void> {
  let pending: Bytes = new Uint8Array(0);
  for await (const chunk of body) {
    pending = pending.byteLength === 0 ? chunk : concat([pending, chunk]);
    while (pending.byteLength >= HEADER_BYTES) {
      const kind = kindOfByte.get(pending[0] ?? 0);
      const length = viewOf(pending).getUint32(1, true);
      if (kind === undefined || length > EXEC_FRAME_BYTES_MAX) throw malformed();
      if (pending.byteLength < HEADER_BYTES + length) break;
      yield { kind, payload: pending.slice(HEADER_BYTES, HEADER_BYTES + length) };
      pending = pending.subarray(HEADER_BYTES + length);
    }
  }
  if (pending.byteLength > 0) throw malformed();
}

/** The exit that an `exit` frame tells, or null. By hand, not by a schema, which would delay the start of every `exec`. */
export function readSessionExit(value: unknown): SessionExit | null {
  if (!isJsonObject(value) || typeof value['timedOut'] !== 'boolean') return null;
  const { code, signal, timedOut } = value;
  if (isSafeInteger(code)) return { code, timedOut };
  return isSafeInteger(signal) ? { signal, timedOut } : null;
}

function malformed(): KelpieError {
  return new KelpieError(
    'usage',
    'the stream of a session is not made of its frames; client and daemon may be of different versions.',
  );
}
