/**
 * What goes wrong. A fault that happens at a place is a *strike*, which has a key: its name, where, and the how-manieth offer there it
 * was. A run draws its strikes by chance, or is given them by their keys, and then it has those and no other. Three figures are kept apart:
 * *offered*, the fault could have happened here; *injected*, it did; *effective*, somebody was hit by it.
 */
import { defined } from '../base/assert.ts';
import { faultNames, isFaultName } from './fault-names.ts';
import type { FaultName } from './fault-names.ts';
import { Prng } from './prng.ts';

export interface FaultCount {
  offered: number;
  injected: number;
  effective: number;
}

export type FaultCounts = ReadonlyMap<FaultName, FaultCount>;

/** How likely each fault is where it is offered; absent: never. */
export type FaultChances = Readonly<Partial<Record<FaultName, number>>>;

/** A fault that happens now. */
export interface Strike {
  /** For how it looks; the same whatever else happens. */
  readonly random: Prng;
  /** Somebody was hit. */
  tookEffect(): void;
}

export function noFaultCounts(): FaultCounts {
  return new Map(faultNames.map((name) => [name, { offered: 0, injected: 0, effective: 0 }]));
}

export class Faults {
  readonly counts: FaultCounts = noFaultCounts();
  /** Told the key of each strike; for traces. */
  onStrike: ((key: string) => void) | null = null;
  /** The keys of all strikes so far. */
  readonly struck: string[] = [];
  readonly #seed: number;
  readonly #random: Prng;
  readonly #chances: FaultChances;
  readonly #keys: ReadonlySet<string> | null;
  readonly #names: ReadonlySet<FaultName>;
  readonly #offers = new Map<string, number>();
  #isOn = true;
  #hasDamagedStore = false;

  /** @param keys the strikes; null: by chance. */
  constructor(seed: number, chances: FaultChances, keys: ReadonlySet<string> | null) {
    this.#seed = seed;
    this.#random = Prng.named(seed, 'faults');
    this.#chances = chances;
    this.#keys = keys;
    const names =
      keys === null ? Object.keys(chances) : [...keys].map((key) => key.slice(0, key.indexOf(' ')));
    this.#names = new Set(names.filter(isFaultName));
  }

  /** The fault happens here, or null. @param where stable across runs. */
  strike(name: FaultName, where: string): Strike | null {
    if (!this.#isOn || !this.#names.has(name)) return null;
    const offer = this.#offer(`${name} ${where}`);
    const count = this.#count(name);
    count.offered += 1;
    if (!this.#isHit(name, offer)) return null;
    count.injected += 1;
    this.struck.push(offer);
    this.onStrike?.(offer);
    return { random: Prng.named(this.#seed, offer), tookEffect: () => this.tookEffect(name) };
  }

  /** As `strike`, where that alone has an effect. */
  hit(name: FaultName, where: string): Strike | null {
    const strike = this.strike(name, where);
    strike?.tookEffect();
    return strike;
  }

  /** A trouble that is planned with its time. */
  planned(name: FaultName): void {
    this.#count(name).offered += 1;
    this.#count(name).injected += 1;
  }

  tookEffect(name: FaultName): void {
    this.#count(name).effective += 1;
  }

  /** Bytes in the store are not what was written, and nothing can bring them back: only a refusal can be asked for. */
  damagedStore(): void {
    this.#hasDamagedStore = true;
  }
  get hasDamagedStore(): boolean {
    return this.#hasDamagedStore;
  }

  /** Nothing fails while `work` is done. */
  async spare<T>(work: () => Promise<T>): Promise<T> {
    this.#isOn = false;
    try {
      return await work();
    } finally {
      this.#isOn = true;
    }
  }

  /** From here on nothing fails any more. */
  stop(): void {
    this.#isOn = false;
  }
  get isOn(): boolean {
    return this.#isOn;
  }

  #isHit(name: FaultName, key: string): boolean {
    return this.#keys === null ? this.#random.chance(this.#chances[name] ?? 0) : this.#keys.has(key);
  }

  #offer(place: string): string {
    const offers = (this.#offers.get(place) ?? 0) + 1;
    this.#offers.set(place, offers);
    return `${place} #${offers}`;
  }

  #count(name: FaultName): FaultCount {
    return defined(this.counts.get(name), 'the count of a fault');
  }
}
