/**
 * What goes wrong, and how often. Each seed draws which faults it has (swarm): a world in which everything fails at once
 * hides the bugs that need one thing to work. Three figures are kept apart: *offered*, the fault could have happened here;
 * *injected*, it did; *effective*, somebody was hit by it.
 */
import { defined } from '../base/assert.ts';
import type { Prng } from './prng.ts';

export const faultNames = [
  'storage_write_fail',
  'storage_read_fail',
  'storage_fsync_fail',
  'storage_latency',
  'disk_full',
  'storage_unflushed_loss',
  'host_power_loss',
  'daemon_crash',
  'vmm_crash',
  'vmm_start_fail',
  'guest_repair_fail',
  'http_connection_lost',
  'http_client_gone',
  'clock_jump',
  'clock_skew',
] as const;
export type FaultName = (typeof faultNames)[number];

export interface FaultCount {
  offered: number;
  injected: number;
  effective: number;
}

export type FaultCounts = ReadonlyMap<FaultName, FaultCount>;

/** How likely each fault is where it is offered; absent: never. */
export type FaultChances = ReadonlyMap<FaultName, number>;

/** [least, most] chance per offer when a seed has the fault; drawn on a logarithmic scale. */
const chanceRanges: Readonly<Record<FaultName, readonly [number, number]>> = {
  storage_write_fail: [0.0005, 0.02],
  storage_read_fail: [0.0005, 0.01],
  storage_fsync_fail: [0.0005, 0.03],
  storage_latency: [0.001, 0.05],
  disk_full: [0.05, 0.5],
  storage_unflushed_loss: [1, 1],
  host_power_loss: [0.05, 0.4],
  daemon_crash: [0.1, 1],
  vmm_crash: [0.05, 0.5],
  vmm_start_fail: [0.02, 0.3],
  guest_repair_fail: [0.02, 0.3],
  http_connection_lost: [0.002, 0.05],
  http_client_gone: [0.05, 0.3],
  clock_jump: [0.1, 1],
  clock_skew: [1, 1],
};

/** @param only the faults that may be drawn at all; null: every one. */
export function drawChances(random: Prng, only: ReadonlySet<string> | null): FaultChances {
  const share = random.pick([0, 0.15, 0.3, 0.3, 0.6]);
  const chances = new Map<FaultName, number>();
  for (const name of faultNames) {
    const [least, most] = chanceRanges[name];
    const chance = least * (most / least) ** random.fraction();
    if (random.chance(share) && (only === null || only.has(name))) chances.set(name, chance);
  }
  return chances;
}

export class Faults {
  readonly counts: FaultCounts;
  readonly chances: FaultChances;
  readonly #random: Prng;
  #isOn = true;

  constructor(random: Prng, chances: FaultChances) {
    this.#random = random;
    this.chances = chances;
    this.counts = new Map(faultNames.map((name) => [name, { offered: 0, injected: 0, effective: 0 }]));
  }

  /** For draws of how a fault looks. */
  get random(): Prng {
    return this.#random;
  }

  /** True when the fault happens here. */
  hits(name: FaultName): boolean {
    const chance = this.chances.get(name);
    if (!this.#isOn || chance === undefined) return false;
    this.#count(name).offered += 1;
    if (!this.#random.chance(chance)) return false;
    this.#count(name).injected += 1;
    return true;
  }

  /** Somebody was hit. */
  tookEffect(name: FaultName): void {
    this.#count(name).effective += 1;
  }

  #count(name: FaultName): FaultCount {
    return defined(this.counts.get(name), 'the count of a fault');
  }

  /** From here on nothing fails any more. */
  stop(): void {
    this.#isOn = false;
  }
  get isOn(): boolean {
    return this.#isOn;
  }
}
