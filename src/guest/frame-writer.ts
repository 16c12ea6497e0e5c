/**
 * The one writer of a connection: one write at a time, requests and credits before data. Neither lane needs a bound of
 * its own: requests are bounded by `REQUESTS_IN_FLIGHT_MAX`, credits by the window they stand for, and each
 * channel has at most one frame of data here, since it waits for it.
 */
import type { Bytes } from '../base/bytes.ts';
import { asError } from '../base/errors.ts';
import type { Connection } from '../env/sockets.ts';

interface DataFrame {
  readonly frame: Bytes;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class FrameWriter {
  readonly #connection: Connection;
  readonly #onFailure: (error: Error) => void;
  readonly #control: (() => Bytes)[] = [];
  readonly #data: DataFrame[] = [];
  #isWriting = false;
  #failure: Error | null = null;

  /** @param onFailure is told once when a write fails; it answers with `fail`. */
  constructor(connection: Connection, onFailure: (error: Error) => void) {
    this.#connection = connection;
    this.#onFailure = onFailure;
  }

  /** Sends as soon as the write under way is done. `make` is called at that moment. */
  sendControl(make: () => Bytes): void {
    if (this.#failure !== null) return;
    this.#control.push(make);
    this.#wake();
  }

  /** Resolves when the system has taken the frame. */
  sendData(frame: Bytes): Promise<void> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#data.push({ frame, resolve, reject });
    this.#wake();
    return promise;
  }

  /** Nothing more will be written; whoever waits is told. */
  fail(error: Error): void {
    if (this.#failure !== null) return;
    this.#failure = error;
    this.#control.length = 0;
    for (const waiting of this.#data.splice(0)) waiting.reject(error);
  }

  #wake(): void {
    if (this.#isWriting) return;
    this.#isWriting = true;
    this.#writeAll().then(
      () => (this.#isWriting = false),
      (error: unknown) => this.#onFailure(asError(error)),
    );
  }

  async #writeAll(): Promise<void> {
    while (this.#failure === null) {
      const make = this.#control.shift();
      if (make !== undefined) {
        await this.#connection.write(make());
        continue;
      }
      const next = this.#data[0];
      if (next === undefined) return;
      await this.#connection.write(next.frame);
      // It stayed in the queue until now so that `fail` rejects it.
      if (this.#data[0] === next) this.#data.shift();
      next.resolve();
    }
  }
}
