import { assert } from '../base/assert.ts';
import type { Bytes } from '../base/bytes.ts';

/**
 * A bounded queue between what the person does and the request's body: `push` waits for room, `pushNow` (signals, sizes) does
 * not wait and drops the oldest of its own kind beyond `URGENT_MAX`. One reader.
 */
export class FrameQueue implements AsyncIterable<Bytes> {
  readonly #limit: number;
  readonly #waiting: Bytes[] = [];
  readonly #urgent: Bytes[] = [];
  #hasEnded = false;
  #wakeReader: (() => void) | null = null;
  #wakeWriter: (() => void) | null = null;

  constructor(limit: number) {
    assert(limit > 0, 'a queue without room');
    this.#limit = limit;
  }

  /** False when the queue has ended: the bytes are not taken. One writer. */
  async push(bytes: Bytes): Promise<boolean> {
    while (!this.#hasEnded && this.#waiting.length >= this.#limit) {
      await new Promise<void>((resolve) => {
        this.#wakeWriter = resolve;
      });
    }
    if (this.#hasEnded) return false;
    this.#waiting.push(bytes);
    this.#wakeReader?.();
    return true;
  }

  pushNow(bytes: Bytes): void {
    if (this.#urgent.length >= URGENT_MAX) this.#urgent.shift();
    this.#urgent.push(bytes);
    this.#wakeReader?.();
  }

  end(): void {
    this.#hasEnded = true;
    this.#wakeReader?.();
    this.#wakeWriter?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Bytes, void> {
    for (;;) {
      // The first frame opens the session, so what is urgent comes only after it.
      const next = this.#waiting.shift() ?? this.#urgent.shift();
      if (next !== undefined) {
        this.#wakeWriter?.();
        yield next;
      } else if (this.#hasEnded) {
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.#wakeReader = resolve;
        });
      }
    }
  }
}

const URGENT_MAX = 16;
