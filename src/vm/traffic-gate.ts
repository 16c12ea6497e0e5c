import type { Bytes } from '../base/bytes.ts';
import { KIB, SECOND_MS } from '../base/units.ts';
import type { Clock } from '../env/clock.ts';
import type { Connection } from '../env/sockets.ts';

/** What Linux lets a Unix socket hold (`net.core.wmem_default`). */
const SOCKET_BYTES_MAX: number = 208 * KIB;
/** What was written longer ago has been taken by QEMU, or the guest has no buffer for it and gets none while it is stopped. */
const SETTLED_MS: number = SECOND_MS;

/** Holds back what is written to connections while it is closed, and knows how much may be under way. */
export class TrafficGate {
  readonly #clock: Clock;
  #opened: PromiseWithResolvers<void> | null = null;
  #recentBytes = 0;
  #lastWriteMs = -Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  close(): void {
    this.#opened ??= Promise.withResolvers();
  }

  open(): void {
    this.#opened?.resolve();
    this.#opened = null;
  }

  /** Upper bound of the bytes that were written and may not have reached the guest. */
  pendingBytesMax(): number {
    return this.#hasSettled() ? 0 : Math.min(this.#recentBytes, SOCKET_BYTES_MAX);
  }

  /** The connection, whose writes wait while the gate is closed. */
  guard(connection: Connection): Connection {
    return {
      read: () => connection.read(),
      write: async (bytes: Bytes) => {
        while (this.#opened !== null) await this.#opened.promise;
        if (this.#hasSettled()) this.#recentBytes = 0;
        this.#recentBytes += bytes.byteLength;
        this.#lastWriteMs = this.#clock.monotonicMs();
        await connection.write(bytes);
        this.#lastWriteMs = this.#clock.monotonicMs();
      },
      end: () => connection.end(),
      close: () => connection.close(),
    };
  }

  #hasSettled(): boolean {
    return this.#clock.monotonicMs() - this.#lastWriteMs > SETTLED_MS;
  }
}
