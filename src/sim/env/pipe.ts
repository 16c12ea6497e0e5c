/** One direction of a byte stream between two processes: bounded, so that a slow reader slows the writer. */
import { assert } from '../../base/assert.ts';
import { concat } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import { KIB } from '../../base/units.ts';
import { SystemError } from '../../env/system-error.ts';
import type { SimProcess } from '../process.ts';

const CAPACITY_BYTES: number = 256 * KIB;
const CHUNK_BYTES_MAX: number = 64 * KIB;

type Answer<T> = (act: () => T) => void;

interface WaitingWrite {
  readonly bytes: Bytes;
  taken: number;
  readonly done: Answer<void>;
}

export class Pipe {
  readonly #chunks: Bytes[] = [];
  #bytes = 0;
  #isEnded = false;
  /** Why neither side can go on; null while both can. */
  #broken: 'reader' | 'reset' | null = null;
  /** Of the read that waits for bytes, an end or a break. */
  #wakeReader: (() => void) | null = null;
  #writing: WaitingWrite | null = null;

  /** The next bytes, in pieces of any size; null at the end. */
  read(process: SimProcess, site: string, subject = ''): Promise<Bytes | null> {
    const begin = (done: Answer<Bytes | null>): void => {
      assert(this.#wakeReader === null, 'one read at a time');
      this.#wakeReader = () => done(() => this.#take(process));
      this.#pump();
    };
    return process.wait(site, begin, { subject });
  }

  write(process: SimProcess, site: string, bytes: Bytes, subject = ''): Promise<void> {
    const begin = (done: Answer<void>): void => {
      assert(this.#writing === null, 'one write at a time');
      this.#writing = { bytes, taken: 0, done };
      this.#pump();
    };
    return process.wait(site, begin, { subject });
  }

  /** The writer sends no more; what was sent can still be read. */
  end(): void {
    this.#isEnded = true;
    this.#pump();
  }

  /** The reader is gone: nothing sent arrives any more. */
  stopReading(): void {
    this.#broken ??= 'reader';
    this.#chunks.length = 0;
    this.#bytes = 0;
    this.#pump();
  }

  /** The writer is gone without an end; the reader notices when it has read what there is. */
  reset(): void {
    this.#broken ??= 'reset';
    this.#pump();
  }

  /** Takes what is being written as far as it fits, and wakes whoever waits for what there is now. */
  #pump(): void {
    const writing = this.#writing;
    if (writing !== null && this.#broken === null && !this.#isEnded) {
      const count = Math.min(writing.bytes.byteLength - writing.taken, CAPACITY_BYTES - this.#bytes);
      if (count > 0) this.#chunks.push(writing.bytes.slice(writing.taken, writing.taken + count));
      writing.taken += count;
      this.#bytes += count;
      if (writing.taken === writing.bytes.byteLength) this.#endWrite(() => undefined);
    } else if (writing !== null) this.#endWrite(() => this.#refuseWrite());
    if (this.#bytes === 0 && this.#broken === null && !this.#isEnded) return;
    const wake = this.#wakeReader;
    this.#wakeReader = null;
    wake?.();
  }

  /** Streams have no borders: what was sent in one piece may come in several, and the other way round. */
  #take(process: SimProcess): Bytes | null {
    if (this.#bytes === 0) {
      if (this.#broken === 'reset') throw new SystemError('ECONNRESET', 'read', 'connection');
      return null;
    }
    const { random } = process.machine;
    const most = Math.min(this.#bytes, CHUNK_BYTES_MAX);
    const chunk = this.#takeBytes(random.chance(0.1) ? random.between(1, most) : most);
    this.#pump();
    return chunk;
  }

  #takeBytes(length: number): Bytes {
    const parts: Bytes[] = [];
    let left = length;
    while (left > 0) {
      const first = this.#chunks[0];
      assert(first !== undefined, 'there are bytes');
      const part = first.subarray(0, left);
      if (part.byteLength === first.byteLength) this.#chunks.shift();
      else this.#chunks[0] = first.subarray(part.byteLength);
      parts.push(part);
      left -= part.byteLength;
    }
    this.#bytes -= length;
    const [only] = parts;
    return parts.length === 1 && only !== undefined ? only : concat(parts);
  }

  #endWrite(act: () => void): void {
    const done = this.#writing?.done;
    this.#writing = null;
    done?.(act);
  }

  #refuseWrite(): never {
    throw new SystemError('EPIPE', 'write', 'connection');
  }
}
