/** What really is, which no program of the world can ask: the oracles' side of the guests. */
import type { Guest } from './guest.ts';

/** A rule that was broken. The run ends with the first one. */
export interface Violation {
  readonly oracle: string;
  readonly what: string;
}

/** What one snapshot held when it was taken. */
export interface SavedState {
  readonly vmKey: string;
  readonly counter: number;
}

export class WorldTruth {
  readonly guests: Set<Guest> = new Set();
  /** By the digest of the device state that was saved. */
  readonly saved: Map<string, SavedState> = new Map();
  readonly sometimes: Map<string, number> = new Map();
  /** Called when a guest begins to execute. */
  onRunning: ((guest: Guest) => void) | null = null;
  #violation: Violation | null = null;

  get violation(): Violation | null {
    return this.#violation;
  }

  violated(oracle: string, what: string): void {
    this.#violation ??= { oracle, what };
  }

  /** Marks a rare path as taken. */
  mark(name: string): void {
    this.sometimes.set(name, (this.sometimes.get(name) ?? 0) + 1);
  }

  running(vmKey: string): readonly Guest[] {
    return [...this.guests].filter((guest) => guest.vmKey === vmKey && guest.isRunning);
  }
}
