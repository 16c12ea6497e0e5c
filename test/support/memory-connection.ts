/** Two ends of a byte stream in this process, with the contract of `Connection` and a bound on what is under way. */
import { KIB } from '../../src/base/units.ts';
import type { Bytes } from '../../src/base/bytes.ts';
import type { Connection } from '../../src/env/sockets.ts';
import { SystemError } from '../../src/env/system-error.ts';

const READ_BYTES_MAX = 64 * KIB;

/** One direction. */
class Pipe {
  readonly #capacity: number;
  readonly #parts: Bytes[] = [];
  #length = 0;
  #isEnded = false;
  #isBroken = false;
  readonly #wakers: (() => void)[] = [];

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  async write(bytes: Bytes): Promise<void> {
    let rest = bytes.slice();
    await Promise.resolve();
    while (rest.byteLength > 0) {
      if (this.#isBroken || this.#isEnded) throw new SystemError('EPIPE', 'write', 'memory');
      const room = this.#capacity - this.#length;
      if (room === 0) {
        await this.#change();
        continue;
      }
      const part = rest.subarray(0, room);
      this.#parts.push(part);
      this.#length += part.byteLength;
      rest = rest.subarray(part.byteLength);
      this.#wake();
    }
  }

  async read(): Promise<Bytes | null> {
    await Promise.resolve();
    for (;;) {
      if (this.#isBroken) return null;
      const part = this.#parts.shift();
      if (part !== undefined) {
        const bytes = part.subarray(0, READ_BYTES_MAX);
        if (bytes.byteLength < part.byteLength) this.#parts.unshift(part.subarray(bytes.byteLength));
        this.#length -= bytes.byteLength;
        this.#wake();
        return bytes;
      }
      if (this.#isEnded) return null;
      await this.#change();
    }
  }

  end(): void {
    this.#isEnded = true;
    this.#wake();
  }

  break(): void {
    this.#isBroken = true;
    this.#wake();
  }

  #change(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wakers.push(resolve);
    return promise;
  }

  #wake(): void {
    for (const wake of this.#wakers.splice(0)) wake();
  }
}

function connectionOver(incoming: Pipe, outgoing: Pipe): Connection {
  return {
    read: () => incoming.read(),
    write: (bytes) => outgoing.write(bytes),
    end: async () => outgoing.end(),
    close: () => {
      incoming.break();
      outgoing.end();
    },
  };
}

/** @param capacity bytes under way in each direction before a writer waits. */
export function memoryConnectionPair(capacity: number = 208 * KIB): readonly [Connection, Connection] {
  const there = new Pipe(capacity);
  const back = new Pipe(capacity);
  return [connectionOver(back, there), connectionOver(there, back)];
}
