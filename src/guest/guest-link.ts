/**
 * One greeted connection: a reader that hands every frame on within its own turn and never waits for a consumer, the
 * writer, and the table of open channels.
 *
 *   open ──▶ closed     by close(), the stream's end, a failed write or a guest_protocol_error; whoever waits is told why
 */
import { assert } from '../base/assert.ts';
import type { Bytes } from '../base/bytes.ts';
import { asError } from '../base/errors.ts';
import type { Connection } from '../env/sockets.ts';
import { encodeFrame, FrameDecoder, frameTypes, guestFrameTypes } from './frame.ts';
import type { Checksum, Frame, FrameType } from './frame.ts';
import { FrameWriter } from './frame-writer.ts';
import { guestProtocolError, guestUnreachable } from './guest-errors.ts';
import { SESSIONS_MAX, TRANSFERS_MAX } from './limits.ts';
import { channelHeader, readChannelPayload } from './payloads.ts';
import type { ChannelHeader, StreamNumber } from './payloads.ts';
import { parseEvent } from './schemas.ts';
import type { GuestEvent } from './schemas.ts';

/**
 * One session or transfer as the reader sees it. Each method returns at once; what it throws ends the connection.
 */
export interface Channel {
  onData(stream: StreamNumber, offset: number, bytes: Bytes): void;
  onEnd(stream: StreamNumber, length: number): void;
  onCredit(stream: StreamNumber, limit: number): void;
  onEvent(event: GuestEvent): void;
  /** The connection has ended; nothing follows. */
  onClosed(error: Error): void;
}

/** Who takes the answers. */
export interface ResponseSink {
  onResponse(payload: Bytes): void;
  onClosed(error: Error): void;
}

const CHANNELS_MAX = SESSIONS_MAX + TRANSFERS_MAX;

export class GuestLink {
  readonly closed: Promise<Error>;
  readonly #checksum: Checksum;
  readonly #connection: Connection;
  readonly #writer: FrameWriter;
  readonly #decoder: FrameDecoder;
  readonly #channels = new Map<number, Channel>();
  readonly #resolveClosed: (error: Error) => void;
  #responses: ResponseSink | null = null;
  #failure: Error | null = null;

  constructor(checksum: Checksum, connection: Connection) {
    this.#checksum = checksum;
    this.#connection = connection;
    this.#decoder = new FrameDecoder(checksum, guestFrameTypes);
    this.#writer = new FrameWriter(connection, (error) =>
      this.fail(guestUnreachable('its stream broke', error)),
    );
    const { promise, resolve } = Promise.withResolvers<Error>();
    this.closed = promise;
    this.#resolveClosed = resolve;
  }

  /** Why this link is of no use any more, as an error for a new call; null while it is open. */
  get failure(): Error | null {
    return this.#failure === null ? null : guestUnreachable('its connection has ended', this.#failure);
  }

  /** Begins to read. @param rest bytes that were read with the greeting. */
  start(rest: Bytes, responses: ResponseSink): void {
    assert(this.#responses === null, 'a link is started once');
    this.#responses = responses;
    this.#readAll(rest, responses).catch((error: unknown) => this.fail(asError(error)));
  }

  /** @throws KelpieError `guest_protocol_error` when the guest gave a number that is in use, or too many. */
  openChannel(number: number, channel: Channel): void {
    if (this.#channels.has(number)) throw guestProtocolError(`channel ${number} is opened twice`);
    if (this.#channels.size >= CHANNELS_MAX) {
      throw guestProtocolError(`more than ${CHANNELS_MAX} channels are open`);
    }
    this.#channels.set(number, channel);
  }

  isOpen(number: number): boolean {
    return this.#channels.has(number);
  }

  /** Frames of it break the protocol from now on. */
  closeChannel(number: number): void {
    this.#channels.delete(number);
  }

  /** @param make gives the request's JSON at the moment that it leaves. */
  sendRequest(make: () => Bytes): void {
    this.#writer.sendControl(() => encodeFrame(this.#checksum, frameTypes.request, make()));
  }

  sendCredit(header: ChannelHeader): void {
    this.#writer.sendControl(() => encodeFrame(this.#checksum, frameTypes.credit, channelHeader(header)));
  }

  /** Resolves when the system has taken it; the caller sends one at a time per channel. */
  sendData(header: ChannelHeader, bytes: Bytes): Promise<void> {
    return this.#sendChannel(frameTypes.data, header, bytes);
  }

  /** Behind all data. */
  sendEnd(header: ChannelHeader): Promise<void> {
    return this.#sendChannel(frameTypes.end, header);
  }

  #sendChannel(type: FrameType, header: ChannelHeader, ...bytes: readonly Bytes[]): Promise<void> {
    return this.#writer.sendData(encodeFrame(this.#checksum, type, channelHeader(header), ...bytes));
  }

  /** Ends the connection at once. Only the first reason counts. */
  fail(error: Error): void {
    if (this.#failure !== null) return;
    this.#failure = error;
    this.#connection.close();
    this.#writer.fail(error);
    this.#responses?.onClosed(error);
    for (const channel of this.#channels.values()) channel.onClosed(error);
    this.#channels.clear();
    this.#resolveClosed(error);
  }

  async #readAll(rest: Bytes, responses: ResponseSink): Promise<void> {
    const onFrame = (frame: Frame): void => this.#dispatch(frame, responses);
    let bytes: Bytes | null = rest;
    while (bytes !== null && this.#failure === null) {
      this.#decoder.decode(bytes, onFrame);
      bytes = await this.#read();
    }
    this.fail(guestUnreachable('its stream has ended'));
  }

  async #read(): Promise<Bytes | null> {
    try {
      return await this.#connection.read();
    } catch (error) {
      throw guestUnreachable('its stream broke', error);
    }
  }

  #dispatch(frame: Frame, responses: ResponseSink): void {
    switch (frame.type) {
      case frameTypes.response:
        return responses.onResponse(frame.payload);
      case frameTypes.event: {
        const event = parseEvent(frame.payload);
        return this.#channel(event.channel).onEvent(event);
      }
      case frameTypes.data:
      case frameTypes.end:
      case frameTypes.credit:
        return this.#dispatchChannel(frame.type, frame.payload);
      default:
        throw guestProtocolError(`a frame of type ${frame.type} within a session`);
    }
  }

  #dispatchChannel(type: FrameType, payload: Bytes): void {
    const { header, bytes } = readChannelPayload(payload);
    const channel = this.#channel(header.channel);
    if (type === frameTypes.data) return channel.onData(header.stream, header.position, bytes);
    if (bytes.byteLength > 0) throw guestProtocolError('bytes behind an END or a CREDIT');
    if (type === frameTypes.end) return channel.onEnd(header.stream, header.position);
    channel.onCredit(header.stream, header.position);
  }

  #channel(number: number): Channel {
    const channel = this.#channels.get(number);
    if (channel === undefined) throw guestProtocolError(`channel ${number} is not open`);
    return channel;
  }
}
