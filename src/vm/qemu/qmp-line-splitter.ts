import { fromUtf8 } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import { KelpieError } from '../../base/errors.ts';

const NEWLINE = 0x0a;

/** Cuts a byte stream into lines, holding at most `lineBytesMax` of an unfinished one. */
export class QmpLineSplitter {
  readonly #lineBytesMax: number;
  #parts: Bytes[] = [];
  #heldBytes = 0;

  constructor(lineBytesMax: number) {
    this.#lineBytesMax = lineBytesMax;
  }

  /**
   * The lines that `chunk` completes, without their ends (`\n` or `\r\n`).
   * @throws KelpieError `vm_backend_failed` when a line is too long or not UTF-8.
   */
  *feed(chunk: Bytes): Generator<string> {
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(NEWLINE, start);
      this.#hold(chunk.subarray(start, end === -1 ? undefined : end));
      if (end === -1) return;
      yield this.#take();
      start = end + 1;
    }
  }

  #hold(part: Bytes): void {
    this.#heldBytes += part.byteLength;
    if (this.#heldBytes > this.#lineBytesMax) {
      throw new KelpieError(
        'vm_backend_failed',
        `QEMU sent a message of more than ${this.#lineBytesMax} bytes.`,
      );
    }
    // A chunk may be a view of a buffer that its reader uses again.
    if (part.byteLength > 0) this.#parts.push(part.slice());
  }

  #take(): string {
    const line = new Uint8Array(this.#heldBytes);
    let offset = 0;
    for (const part of this.#parts) {
      line.set(part, offset);
      offset += part.byteLength;
    }
    this.#parts = [];
    this.#heldBytes = 0;
    try {
      return fromUtf8(line).trimEnd();
    } catch (error) {
      throw new KelpieError('vm_backend_failed', 'QEMU sent a message that is not UTF-8.', { cause: error });
    }
  }
}
