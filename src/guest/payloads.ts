/** The binary payloads of the guest protocol: HELLO, WELCOME, and the channel frames DATA, END and CREDIT. */
import { assert } from '../base/assert.ts';
import { concat, hex, utf8, viewOf } from '../base/bytes.ts';
import type { Bytes } from '../base/bytes.ts';
import { guestProtocolError } from './guest-errors.ts';
import { FRAME_PAYLOAD_BYTES_MAX } from './limits.ts';

export const NONCE_BYTES = 16;
export const WELCOME_BYTES = 40;
/** Before the bytes of a DATA, and all of an END or a CREDIT. */
export const CHANNEL_HEADER_BYTES = 16;
/** Most bytes that one DATA carries. */
export const DATA_BYTES_MAX: number = FRAME_PAYLOAD_BYTES_MAX - CHANNEL_HEADER_BYTES;

export const streams = { stdin: 0, stdout: 1, stderr: 2 } as const;
export type StreamNumber = (typeof streams)[keyof typeof streams];

const helloMagic = utf8('KELPIE-HELLO\0\0\0\u0001');

export function helloPayload(nonce: Bytes): Bytes {
  assert(nonce.byteLength === NONCE_BYTES, 'a nonce has 16 bytes');
  return concat([helloMagic, nonce]);
}

export interface Welcome {
  readonly version: number;
  readonly generation: number;
  /** Lower-case hexadecimal. */
  readonly bootId: string;
}

/** Reads a WELCOME behind its nonce, which the caller has compared. */
export function readWelcome(payload: Bytes): Welcome {
  assert(payload.byteLength === WELCOME_BYTES, 'a WELCOME has 40 bytes');
  const view = viewOf(payload);
  return {
    version: view.getUint32(NONCE_BYTES, true),
    generation: view.getUint32(NONCE_BYTES + 4, true),
    bootId: hex(payload.subarray(NONCE_BYTES + 8)),
  };
}

/** What DATA, END and CREDIT share. `position` is an offset, a total length or a limit. */
export interface ChannelHeader {
  readonly channel: number;
  readonly stream: StreamNumber;
  readonly position: number;
}

export function channelHeader(header: ChannelHeader): Bytes {
  const bytes = new Uint8Array(CHANNEL_HEADER_BYTES);
  const view = viewOf(bytes);
  view.setUint32(0, header.channel, true);
  bytes[4] = header.stream;
  view.setBigUint64(8, BigInt(header.position), true);
  return bytes;
}

/** The header and the bytes behind it, none for END and CREDIT. */
export function readChannelPayload(payload: Bytes): {
  readonly header: ChannelHeader;
  readonly bytes: Bytes;
} {
  if (payload.byteLength < CHANNEL_HEADER_BYTES) throw guestProtocolError('a channel frame is cut short');
  const view = viewOf(payload);
  const stream = [streams.stdin, streams.stdout, streams.stderr].find((known) => known === payload[4]);
  if (stream === undefined) throw guestProtocolError(`stream ${payload[4]}`);
  if ((view.getUint32(4, true) & ~0xff) !== 0) throw guestProtocolError('a reserved field is not zero');
  const position = view.getBigUint64(8, true);
  if (position > BigInt(Number.MAX_SAFE_INTEGER)) throw guestProtocolError(`position ${position}`);
  return {
    header: { channel: view.getUint32(0, true), stream, position: Number(position) },
    bytes: payload.subarray(CHANNEL_HEADER_BYTES),
  };
}
