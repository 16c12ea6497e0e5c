/** What really is, which no program of the world can ask: the oracles' side of the guests. */
import type { Tell, Told } from '../trace.ts';
import type { Guest } from './guest.ts';

/** A rule that was broken. The run ends with the first one. */
export interface Violation {
  readonly oracle: string;
  readonly what: string;
}

export class WorldTruth {
  readonly guests: Set<Guest> = new Set();
  readonly sometimes: Map<string, number> = new Map();
  /** Called when a guest begins to execute. */
  readonly onRunning: ((guest: Guest) => void)[] = [];
  /** Called when the state of a guest was loaded, before it executes. */
  readonly onLoaded: ((guest: Guest) => void)[] = [];
  /** VMs of which a guest or its VMM has died without being told to. */
  readonly died: Set<string> = new Set();
  /** Every VM that somebody was told of when it was made. */
  readonly madeKeys: Set<string> = new Set();
  /** VMs that copies were asked of. */
  readonly forked: Set<string> = new Set();
  /** By copy: the VM that it is of. */
  readonly lineage: Map<string, string> = new Map();
  /** By machine-id that a copy was given: the copy. */
  readonly machineIds: Map<string, string> = new Map();
  /** Randomness that restored guests were given. */
  readonly seeds: Set<string> = new Set();
  /** Checkpoints that people were told of, as packages of the store. */
  readonly checkpoints: string[] = [];
  /** Packages that no host may run. */
  readonly forged: Set<string> = new Set();
  /** Told what happens; for traces. */
  onTold: Tell | null = null;
  readonly #silenced: ReadonlySet<string>;
  #violation: Violation | null = null;

  /** @param silenced oracles that are not listened to, to show what only they see. */
  constructor(silenced: ReadonlySet<string>) {
    this.#silenced = silenced;
  }

  get violation(): Violation | null {
    return this.#violation;
  }

  violated(oracle: string, what: string): void {
    if (this.#violation !== null || this.#silenced.has(oracle)) return;
    this.#violation = { oracle, what };
    this.tell('oracle', `${oracle}: ${what}`, 'store');
  }

  /** Marks a rare path as taken. */
  mark(name: string): void {
    this.sometimes.set(name, (this.sometimes.get(name) ?? 0) + 1);
  }

  tell(kind: Told['kind'], text: string, lane: string, to: string | null = null): void {
    this.onTold?.({ kind, text, lane, to });
  }

  runningIn(home: string): readonly Guest[] {
    return [...this.guests].filter((guest) => guest.hostName === home && guest.isRunning);
  }

  /** What the guest of a VM has counted to by now: no state that is taken later is behind it. 0 for one that is not known, or does not run. */
  countOf(vmKey: string | null): number {
    if (vmKey === null) return 0;
    return Math.max(0, ...this.running(vmKey).map((guest) => guest.count));
  }

  running(vmKey: string): readonly Guest[] {
    return [...this.guests].filter((guest) => guest.vmKey === vmKey && guest.isRunning);
  }
}
