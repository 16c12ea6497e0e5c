/** Our side of one stream towards the guest: stdin, or a file being written. Sends within the guest's credit, in order. */
import { KelpieError } from '../base/errors.ts';
import type { Bytes } from '../base/bytes.ts';
import type { GuestLink } from './guest-link.ts';
import { WRITES_WAITING_MAX } from './limits.ts';
import { DATA_BYTES_MAX, streams } from './payloads.ts';
import { SendWindow } from './stream-windows.ts';

export class StreamSender {
  readonly #link: GuestLink;
  readonly #channel: number;
  readonly #window: SendWindow;
  #offset: number;
  #isEnded = false;
  /** The end of the chain of writes; never rejects. */
  #tail: Promise<void> = Promise.resolve();
  #waiting = 0;

  constructor(link: GuestLink, channel: number, offset: number, limit: number) {
    this.#link = link;
    this.#channel = channel;
    this.#offset = offset;
    this.#window = new SendWindow(limit);
  }

  /** Bytes sent since the stream began. */
  get offset(): number {
    return this.#offset;
  }

  raise(limit: number): void {
    this.#window.raise(limit);
  }

  /** Writes under way and to come reject with `error`. */
  fail(error: Error): void {
    this.#window.fail(error);
  }

  /** Resolves when all of `bytes` are on their way. They must not change before. Writes keep their order. */
  write(bytes: Bytes): Promise<void> {
    return this.#inTurn(async () => {
      this.#refuseEnded();
      let sent = 0;
      while (sent < bytes.byteLength) {
        const credit = await this.#window.waitFor(this.#offset);
        const piece = bytes.subarray(sent, sent + Math.min(credit, DATA_BYTES_MAX));
        const position = this.#offset;
        this.#offset += piece.byteLength;
        sent += piece.byteLength;
        await this.#link.sendData({ channel: this.#channel, stream: streams.stdin, position }, piece);
      }
    });
  }

  /** Behind all writes; a second time does nothing. END needs no credit. */
  end(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#isEnded) return;
      this.#window.throwIfFailed();
      this.#isEnded = true;
      await this.#link.sendEnd({ channel: this.#channel, stream: streams.stdin, position: this.#offset });
    });
  }

  #refuseEnded(): void {
    if (this.#isEnded) {
      throw new KelpieError('invalid_state', 'this stream was ended; nothing can be written any more');
    }
  }

  async #inTurn(act: () => Promise<void>): Promise<void> {
    if (this.#waiting >= WRITES_WAITING_MAX) {
      throw new KelpieError(
        'limit_exceeded',
        `${WRITES_WAITING_MAX} writes wait already; await each before the next`,
      );
    }
    this.#waiting += 1;
    const before = this.#tail;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#tail = promise;
    try {
      await before;
      await act();
    } finally {
      this.#waiting -= 1;
      resolve();
    }
  }
}
