/** One direction of a byte stream between two processes: bounded, so that a slow reader slows the writer. */
import { assert } from '../../base/assert.ts';
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
  #reading: Answer<Bytes | null> | null = null;
  #writing: WaitingWrite | null = null;

  /** The next bytes, in pieces of any size; null at the end. */
  read(process: SimProcess, site: string): Promise<Bytes | null> {
    return process.wait<Bytes | null>(site, (done) => {
      assert(this.#reading === null, 'one read at a time');
      this.#reading = done;
      this.#pump(process);
    });
  }

  write(process: SimProcess, site: string, bytes: Bytes): Promise<void> {
    return process.wait<void>(site, (done) => {
      assert(this.#writing === null, 'one write at a time');
      if (this.#broken !== null || this.#isEnded) return done(() => this.#refuseWrite());
      this.#writing = { bytes, taken: 0, done };
      this.#pump(process);
    });
  }

  /** The writer sends no more; what was sent can still be read. */
  end(): void {
    this.#isEnded = true;
    this.#pump(null);
  }

  /** The reader is gone: nothing sent arrives any more. */
  stopReading(): void {
    this.#broken ??= 'reader';
    this.#chunks.length = 0;
    this.#bytes = 0;
    this.#pump(null);
  }

  /** The writer is gone without an end; the reader notices when it has read what there is. */
  reset(): void {
    this.#broken ??= 'reset';
    this.#pump(null);
  }

  #pump(process: SimProcess | null): void {
    const writing = this.#writing;
    if (writing !== null && this.#broken === null && !this.#isEnded) {
      const count = Math.min(writing.bytes.byteLength - writing.taken, CAPACITY_BYTES - this.#bytes);
      if (count > 0) this.#chunks.push(writing.bytes.slice(writing.taken, writing.taken + count));
      writing.taken += count;
      this.#bytes += count;
      if (writing.taken === writing.bytes.byteLength) this.#endWrite(() => undefined);
    } else if (writing !== null) this.#endWrite(() => this.#refuseWrite());
    if (this.#reading === null) return;
    const done = this.#reading;
    if (this.#bytes > 0) {
      this.#reading = null;
      const chunk = this.#take(process);
      done(() => chunk);
      this.#pump(process);
    } else if (this.#broken === 'reset') {
      this.#reading = null;
      done(() => {
        throw new SystemError('ECONNRESET', 'read', 'connection');
      });
    } else if (this.#isEnded || this.#broken === 'reader') {
      this.#reading = null;
      done(() => null);
    }
  }

  /** Streams have no borders: what was sent in one piece may come in several, and the other way round. */
  #take(process: SimProcess | null): Bytes {
    const first = this.#chunks[0];
    assert(first !== undefined, 'there are bytes');
    const random = process?.machine.random;
    const most = Math.min(first.byteLength, CHUNK_BYTES_MAX);
    const count = random?.chance(0.1) === true ? random.between(1, most) : most;
    if (count === first.byteLength) this.#chunks.shift();
    else this.#chunks[0] = first.subarray(count);
    this.#bytes -= count;
    return first.subarray(0, count);
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
