import type { Clock } from '../../src/env/clock.ts';

interface Sleeper {
  readonly dueMs: number;
  readonly wake: () => void;
}

/** A clock that stands still until a test moves it. */
export class ManualClock implements Clock {
  #nowMs = 0;
  /** Wall time minus steady time: what a person set, or a machine slept. */
  wallOffsetMs = 0;
  readonly #sleepers = new Set<Sleeper>();

  wallMs(): number {
    return this.#nowMs + this.wallOffsetMs;
  }

  wallNs(): bigint {
    return BigInt(this.wallMs()) * 1_000_000n;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  /** How many sleep now: what leaked, when nothing should. */
  get sleeping(): number {
    return this.#sleepers.size;
  }

  async sleep(durationMs: number, signal?: AbortSignal): Promise<void> {
    await Promise.resolve();
    signal?.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const sleeper = { dueMs: this.#nowMs + durationMs, wake: resolve };
    this.#sleepers.add(sleeper);
    const onAbort = (): void => reject(signal?.reason);
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      await promise;
    } finally {
      this.#sleepers.delete(sleeper);
      signal?.removeEventListener('abort', onAbort);
    }
  }

  /** Lets what is under way settle, moves on, and lets what that woke settle. */
  async advance(durationMs: number): Promise<void> {
    await settle();
    this.#nowMs += durationMs;
    for (const sleeper of this.#sleepers) if (sleeper.dueMs <= this.#nowMs) sleeper.wake();
    await settle();
  }
}

/** One turn of the event loop: all promises that can settle without the outside have. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
