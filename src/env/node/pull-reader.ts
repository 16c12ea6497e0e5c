/**
 * Reads a Node stream on demand. It flows until `READ_BYTES_MAX` lie here unread; then it is read ahead up to its own
 * high-water mark, the system's buffer fills, and the sender waits.
 */
import { asError } from '../../base/errors.ts';
import { KIB } from '../../base/units.ts';
import { toSystemError } from './system-errors.ts';
import type { Readable } from 'node:stream';
import type { Bytes } from '../../base/bytes.ts';

/** The most that one read returns, in bytes; three times as much may be read ahead (the last chunk, and Node's own high-water mark for sockets and pipes). */
const READ_BYTES_MAX: number = 64 * KIB;

export class PullReader {
  private readonly stream: Readable;
  private readonly subject: string;
  /** What has come and was not read. Chunks are given out as they came: to ask the stream for so many bytes joins and cuts them, which copies each byte once more. */
  private readonly ahead: Bytes[] = [];
  private aheadBytes = 0;
  private failure: Error | null = null;
  private wake: (() => void) | null = null;

  /** Must be made before the stream can have told its end or its failure. */
  constructor(stream: Readable, subject: string) {
    this.stream = stream;
    this.subject = subject;
    const onEvent = (): void => {
      this.wake?.();
    };
    stream.on('data', (chunk: Uint8Array) => {
      this.keep(chunk);
      onEvent();
    });
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
      if (this.failure !== null) throw toSystemError(this.failure, 'read', this.subject);
      const chunk = this.stream.destroyed && !this.stream.readableEnded ? undefined : this.ahead.shift();
      if (chunk !== undefined) {
        this.aheadBytes -= chunk.byteLength;
        if (this.aheadBytes < READ_BYTES_MAX) this.stream.resume();
        return chunk;
      }
      if (this.stream.readableEnded || this.stream.destroyed) return null;
      // Also one that was paused when it came here.
      this.stream.resume();
      const { promise, resolve } = Promise.withResolvers<void>();
      this.wake = resolve;
      await promise;
      this.wake = null;
    }
  }

  private keep(chunk: Uint8Array): void {
    for (let start = 0; start < chunk.byteLength; start += READ_BYTES_MAX)
      this.ahead.push(chunk.subarray(start, start + READ_BYTES_MAX));
    this.aheadBytes += chunk.byteLength;
    if (this.aheadBytes >= READ_BYTES_MAX) this.stream.pause();
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
