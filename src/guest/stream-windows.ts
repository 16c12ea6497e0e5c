/** The two ends of the credit scheme: `docs/PROTOCOL.md`, frame CREDIT. */
import { assert } from '../base/assert.ts';
import { guestProtocolError } from './guest-errors.ts';
import { CREDIT_SHARE } from './limits.ts';

/** What the guest may send on one stream, and what it has sent. */
export class ReceiveWindow {
  readonly #windowBytes: number;
  #next: number;
  #limit: number;
  #consumed: number;
  #isEnded = false;

  /** Begins at `offset` with a first credit of `windowBytes`. */
  constructor(offset: number, windowBytes: number) {
    this.#windowBytes = windowBytes;
    this.#next = offset;
    this.#limit = offset + windowBytes;
    this.#consumed = offset;
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** @throws KelpieError `guest_protocol_error` when the bytes leave a gap, repeat, or exceed the credit. */
  accept(offset: number, length: number): void {
    if (length === 0) throw guestProtocolError('DATA without bytes');
    if (this.#isEnded) throw guestProtocolError('DATA after END');
    if (offset !== this.#next) throw guestProtocolError(`DATA at ${offset}, where ${this.#next} was next`);
    if (offset + length > this.#limit) {
      throw guestProtocolError(`DATA up to ${offset + length} with credit to ${this.#limit}`);
    }
    this.#next += length;
  }

  /** @throws KelpieError `guest_protocol_error` when the length is not what came, or the stream has ended. */
  end(length: number): void {
    if (this.#isEnded) throw guestProtocolError('END twice');
    if (length !== this.#next) throw guestProtocolError(`END at ${length} after ${this.#next} bytes`);
    this.#isEnded = true;
  }

  /** Notes bytes that left this process's queue. @returns the limit to grant now, or null while it is not worth a frame. */
  consume(length: number): number | null {
    this.#consumed += length;
    assert(this.#consumed <= this.#next, 'only received bytes are consumed');
    const limit = this.#consumed + this.#windowBytes;
    if (this.#isEnded || limit - this.#limit < this.#windowBytes * CREDIT_SHARE) return null;
    this.#limit = limit;
    return limit;
  }
}

/** What we may send on one stream. One waiter. */
export class SendWindow {
  #limit: number;
  #failure: Error | null = null;
  #wake: (() => void) | null = null;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** A smaller limit than before is void: CREDIT never takes back. */
  raise(limit: number): void {
    this.#limit = Math.max(this.#limit, limit);
    this.#wake?.();
  }

  /** Waits end with `error`, now and later. The first one stays. */
  fail(error: Error): void {
    this.#failure ??= error;
    this.#wake?.();
  }

  throwIfFailed(): void {
    if (this.#failure !== null) throw this.#failure;
  }

  /** Resolves with how many bytes may be sent at `offset`, at least one. */
  async waitFor(offset: number): Promise<number> {
    for (;;) {
      this.throwIfFailed();
      if (this.#limit > offset) return this.#limit - offset;
      assert(this.#wake === null, 'one waiter per stream');
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
      this.#wake = null;
    }
  }
}
