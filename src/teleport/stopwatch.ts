import type { Clock } from '../env/clock.ts';

/** How long each phase took, in milliseconds, by name. */
export class Stopwatch {
  readonly #clock: Clock;
  readonly #timings = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async measure<T>(phase: string, act: () => Promise<T>): Promise<T> {
    const startedMs = this.#clock.monotonicMs();
    try {
      return await act();
    } finally {
      this.set(`${phase}Ms`, this.#clock.monotonicMs() - startedMs);
    }
  }

  /** One that was measured elsewhere. */
  set(name: string, durationMs: number): void {
    this.#timings.set(name, Math.round(durationMs * 10) / 10);
  }

  get all(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#timings);
  }
}
