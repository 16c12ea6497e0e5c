/**
 * Reads a Node stream on demand. The stream stays paused: it is read ahead up to its high-water mark, then the
 * system's buffer fills and the sender waits.
 */
import { asError } from '../../base/errors.ts';
import { KIB } from '../../base/units.ts';
import { toSystemError } from './system-errors.ts';
import type { Readable } from 'node:stream';
import type { Bytes } from '../../base/bytes.ts';

/** The most that one read returns, in bytes; as much again may be read ahead (Node's own high-water mark for sockets and pipes). */
const READ_BYTES_MAX: number = 64 * KIB;

export class PullReader {
  private readonly stream: Readable;
  private readonly subject: string;
  private failure: Error | null = null;
  private wake: (() => void) | null = null;

  /** Must be made before the stream can have told its end or its failure. */
  constructor(stream: Readable, subject: string) {
    this.stream = stream;
    this.subject = subject;
    const onEvent = (): void => {
      this.wake?.();
    };
    stream.on('readable', onEvent);
    stream.on('end', onEvent);
    stream.on('close', onEvent);
    stream.on('error', (error) => {
      this.failure = asError(error);
      onEvent();
    });
  }

  /** The next bytes, at most `READ_BYTES_MAX`; null at the end or after the stream was destroyed on purpose. */
  async read(): Promise<Bytes | null> {
    for (;;) {
      const available = Math.min(this.stream.readableLength, READ_BYTES_MAX);
      // With nothing there, this asks for more, and makes a stream that has ended say so.
      const chunk: unknown =
        available > 0 && !this.stream.destroyed ? this.stream.read(available) : this.stream.read(0);
      if (chunk instanceof Uint8Array) return chunk;
      if (this.failure !== null) throw toSystemError(this.failure, 'read', this.subject);
      if (this.stream.readableEnded || this.stream.destroyed) return null;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.wake = resolve;
      await promise;
      this.wake = null;
    }
  }
}

/** The stream's bytes as an iterable for one consumer; leaving early destroys the stream. */
export function bytesOf(stream: Readable, subject: string): AsyncIterableIterator<Bytes> {
  const reader = new PullReader(stream, subject);
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      const value = await reader.read();
      return value === null ? { done: true, value: undefined } : { done: false, value };
    },
    async return() {
      stream.destroy();
      return { done: true, value: undefined };
    },
  };
}
