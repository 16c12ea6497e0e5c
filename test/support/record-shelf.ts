/** Ownership records in memory, and what a test does to those who change them. */
import { KelpieError } from '../../src/base/errors.ts';
import type { Clock } from '../../src/env/clock.ts';
import type { OwnershipRecord, OwnershipRecords } from '../../src/store/ownership-records.ts';

export class RecordShelf implements OwnershipRecords {
  /** Before a change is looked at; what it throws is the answer. */
  onSwap: () => Promise<void> = () => Promise.resolve();
  /** After a change was made; what it throws is the answer. */
  onSwapped: () => Promise<void> = () => Promise.resolve();
  /** Changes that were asked for, and that were made. */
  asked = 0;
  writes = 0;
  readonly #records = new Map<string, OwnershipRecord>();

  constructor(records: readonly OwnershipRecord[] = []) {
    for (const record of records) this.#records.set(record.vmId, record);
  }

  async read(vmId: string): Promise<OwnershipRecord | null> {
    return this.#records.get(vmId) ?? null;
  }

  async compareAndSwap(expectedRevision: number, next: OwnershipRecord): Promise<void> {
    this.asked += 1;
    await this.onSwap();
    const revision = this.#records.get(next.vmId)?.revision ?? 0;
    if (revision !== expectedRevision) throw new KelpieError('store_conflict', 'the record was changed.');
    this.#records.set(next.vmId, next);
    this.writes += 1;
    await this.onSwapped();
  }

  async list(): Promise<readonly OwnershipRecord[]> {
    return [...this.#records.values()];
  }
}

/** One whose sleeps are over at once, and count. */
export function sampleClock(): Clock {
  let nowMs = 0;
  return {
    wallMs: () => 1_750_000_000_000 + nowMs,
    wallNs: () => BigInt(nowMs) * 1_000_000n,
    monotonicMs: () => nowMs,
    sleep: async (durationMs, signal) => {
      signal?.throwIfAborted();
      nowMs += durationMs;
    },
  };
}
