/** The guest's side of a connection, for tests that need it to answer in a given way, or to lie. */
import { crc32 } from 'node:zlib';
import { randomBytes } from 'node:crypto';
import { assert, defined } from '../../src/base/assert.ts';
import { concat, fromUtf8, utf8 } from '../../src/base/bytes.ts';
import type { Bytes } from '../../src/base/bytes.ts';
import { isKelpieError } from '../../src/base/errors.ts';
import type { ErrorCode } from '../../src/base/error-codes.ts';
import type { Connection } from '../../src/env/sockets.ts';
import { encodeFrame, FrameDecoder, frameTypes } from '../../src/guest/frame.ts';
import type { Checksum, Frame, FrameType } from '../../src/guest/frame.ts';
import { connectGuestAgent } from '../../src/guest/connect-guest-agent.ts';
import type { GuestAgent, GuestSession } from '../../src/guest/guest-agent.ts';
import { channelHeader, readChannelPayload } from '../../src/guest/payloads.ts';
import type { ChannelHeader, StreamNumber } from '../../src/guest/payloads.ts';
import type { GuestEnv } from '../../src/guest/handshake.ts';
import { ManualClock } from './manual-clock.ts';
import { memoryConnectionPair } from './memory-connection.ts';

export const checksum: Checksum = { crc32: (bytes, seed) => crc32(bytes, seed) };

const hostFrameTypes: readonly FrameType[] = [
  frameTypes.hello,
  frameTypes.request,
  frameTypes.data,
  frameTypes.end,
  frameTypes.credit,
];

export interface FakeRequest {
  readonly id: number;
  readonly method: string;
  readonly params: Readonly<Record<string, unknown>>;
}

export class FakeGuest {
  readonly #connection: Connection;
  readonly #decoder = new FrameDecoder(checksum, hostFrameTypes);
  readonly #frames: Frame[] = [];
  #isEnded = false;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** The next frame of the host, or null when it has closed. */
  async nextFrame(): Promise<Frame | null> {
    for (;;) {
      const frame = this.#frames.shift();
      if (frame !== undefined) return frame;
      if (this.#isEnded) return null;
      const bytes = await this.#connection.read();
      if (bytes === null) this.#isEnded = true;
      else this.#decoder.decode(bytes, (found) => this.#frames.push(found));
    }
  }

  async nextRequest(): Promise<FakeRequest> {
    const frame = defined(await this.nextFrame(), 'a request');
    assert(frame.type === frameTypes.request, `a request comes, not type ${frame.type}`);
    return JSON.parse(fromUtf8(frame.payload)) as FakeRequest;
  }

  async nextChannelFrame(
    type: FrameType,
  ): Promise<{ readonly header: ChannelHeader; readonly bytes: Bytes }> {
    const frame = defined(await this.nextFrame(), 'a channel frame');
    assert(frame.type === type, `type ${type} comes, not type ${frame.type}`);
    return readChannelPayload(frame.payload);
  }

  /** Takes a HELLO; gives its nonce. */
  async nextHello(): Promise<Bytes> {
    const frame = defined(await this.nextFrame(), 'a HELLO');
    assert(frame.type === frameTypes.hello, `a HELLO comes, not type ${frame.type}`);
    return frame.payload.slice(16);
  }

  sendRaw(bytes: Bytes): Promise<void> {
    return this.#connection.write(bytes);
  }

  send(type: FrameType, ...parts: readonly Bytes[]): Promise<void> {
    return this.sendRaw(encodeFrame(checksum, type, ...parts));
  }

  welcome(nonce: Bytes): Promise<void> {
    return this.sendRaw(welcomeFrame(nonce));
  }

  answer(request: FakeRequest, result: unknown): Promise<void> {
    return this.sendRaw(answerFrame(request.id, result));
  }

  refuse(request: FakeRequest, code: number, reason: string, errno?: number): Promise<void> {
    const error = { code, message: reason, data: { reason, ...(errno === undefined ? {} : { errno }) } };
    return this.send(frameTypes.response, json({ jsonrpc: '2.0', id: request.id, error }));
  }

  event(method: string, params: unknown): Promise<void> {
    return this.send(frameTypes.event, json({ jsonrpc: '2.0', method, params }));
  }

  data(channel: number, stream: StreamNumber, position: number, bytes: Bytes): Promise<void> {
    return this.send(frameTypes.data, channelHeader({ channel, stream, position }), bytes);
  }

  end(channel: number, stream: StreamNumber, position: number): Promise<void> {
    return this.send(frameTypes.end, channelHeader({ channel, stream, position }));
  }

  credit(channel: number, stream: StreamNumber, position: number): Promise<void> {
    return this.send(frameTypes.credit, channelHeader({ channel, stream, position }));
  }

  close(): void {
    this.#connection.close();
  }
}

export function json(value: unknown): Bytes {
  return utf8(JSON.stringify(value));
}

export function answerFrame(id: number, result: unknown): Bytes {
  return encodeFrame(checksum, frameTypes.response, json({ jsonrpc: '2.0', id, result }));
}

export function welcomeFrame(nonce: Bytes, version: number = 1): Bytes {
  const facts = new Uint8Array(24);
  facts[0] = version;
  facts[4] = 7;
  return encodeFrame(checksum, frameTypes.welcome, concat([nonce, facts]));
}

export interface FakeWorld {
  readonly agent: GuestAgent;
  readonly guest: FakeGuest;
  readonly clock: ManualClock;
}

export function guestEnv(clock: ManualClock): GuestEnv {
  const unused = (): never => {
    throw new Error('the client of the guest agent does not use this');
  };
  return {
    clock,
    random: { bytes: (length) => randomBytes(length), uuid: unused, fraction: unused },
    compute: checksum,
  };
}

/** A greeted client and the guest it talks to. */
export async function fakeWorld(): Promise<FakeWorld> {
  const clock = new ManualClock();
  const [host, far] = memoryConnectionPair();
  const guest = new FakeGuest(far);
  const connecting = connectGuestAgent(guestEnv(clock), async () => host);
  await guest.welcome(await guest.nextHello());
  return { agent: await connecting, guest, clock };
}

/** For `assert.rejects`. */
export const is =
  (...codes: readonly ErrorCode[]): ((error: unknown) => boolean) =>
  (error: unknown): boolean =>
    isKelpieError(error, ...codes);

/** Session 5, attached. */
export async function startedSession({ agent, guest }: FakeWorld): Promise<GuestSession> {
  const starting = agent.startSession({ argv: ['true'], stdin: true });
  await guest.answer(await guest.nextRequest(), { session: 5, pid: 50 });
  return starting;
}
