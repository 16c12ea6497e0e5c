/**
 * What came from the guest and waits for its one reader. The producer never waits; the window of each stream bounds the
 * bytes, and joining short neighbours bounds the pieces, so that a guest that sends single bytes cannot fill this
 * process with small objects.
 */
import { assert } from '../base/assert.ts';
import type { Bytes } from '../base/bytes.ts';
import type { SessionEvent } from './guest-agent.ts';
import { EVENT_BYTES_MAX, EVENTS_ORDERED_MAX } from './limits.ts';

type OutputStream = 'stdout' | 'stderr';

/** Output that still grows while it waits. */
class Piece {
  readonly stream: OutputStream;
  readonly offset: number;
  #memory: Bytes;
  #length: number;

  constructor(stream: OutputStream, offset: number, bytes: Bytes) {
    this.stream = stream;
    this.offset = offset;
    this.#memory = bytes;
    this.#length = bytes.byteLength;
  }

  get bytes(): Bytes {
    return this.#memory.subarray(0, this.#length);
  }

  /** True when the bytes were joined to this piece. */
  append(bytes: Bytes): boolean {
    const length = this.#length + bytes.byteLength;
    if (length > EVENT_BYTES_MAX) return false;
    if (length > this.#memory.byteLength) {
      const larger = new Uint8Array(Math.min(EVENT_BYTES_MAX, length * 2));
      larger.set(this.bytes);
      this.#memory = larger;
    }
    this.#memory.set(bytes, this.#length);
    this.#length = length;
    return true;
  }
}

export class EventQueue {
  readonly #onConsumed: (stream: OutputStream, length: number) => void;
  #entries: (Piece | SessionEvent)[] = [];
  #failure: Error | null = null;
  #isClosed = false;
  #wake: (() => void) | null = null;

  /** @param onConsumed is told when output goes to the reader. */
  constructor(onConsumed: (stream: OutputStream, length: number) => void) {
    this.#onConsumed = onConsumed;
  }

  pushOutput(stream: OutputStream, offset: number, bytes: Bytes): void {
    const tail = this.#entries.at(-1);
    const isCrowded = this.#entries.length >= EVENTS_ORDERED_MAX;
    const candidate = isCrowded
      ? this.#entries.findLast((entry) => entry instanceof Piece && entry.stream === stream)
      : tail;
    if (candidate instanceof Piece && candidate.stream === stream && candidate.append(bytes)) return;
    this.#entries.push(new Piece(stream, offset, bytes));
    this.#wake?.();
  }

  push(event: SessionEvent): void {
    this.#entries.push(event);
    this.#wake?.();
  }

  /** Nothing more comes; what waits is still read. */
  close(): void {
    this.#isClosed = true;
    this.#wake?.();
  }

  /** What waits is still read, then the reader gets `error`. */
  fail(error: Error): void {
    if (this.#isClosed) return;
    this.#failure ??= error;
    this.#wake?.();
  }

  /** Forgets what waits; the reader is at the end. */
  discard(): void {
    this.#entries = [];
    this.#failure = null;
    this.close();
  }

  /** The next event, or null at the end. One call at a time. */
  async next(): Promise<SessionEvent | null> {
    for (;;) {
      const entry = this.#entries.shift();
      if (entry instanceof Piece) {
        this.#onConsumed(entry.stream, entry.bytes.byteLength);
        return { kind: 'output', stream: entry.stream, offset: entry.offset, bytes: entry.bytes };
      }
      if (entry !== undefined) return entry;
      if (this.#failure !== null) throw this.#failure;
      if (this.#isClosed) return null;
      assert(this.#wake === null, 'a queue has one reader');
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
      this.#wake = null;
    }
  }
}
