/**
 * The one object per VM in a store that says which host may run it. It is changed only by compare-and-swap; epochs only grow.
 *
 *     (none) → departing(A, n, P) → at-rest(P, n+1) → running(B, n+2) → departing(B, n+2, P') → …
 *                    ↘ running(A, n)  (the source took it back: the publish failed)
 *     (none) → at-rest(P, 1)                          (a file was imported into the store)
 *     (none) → running(A, 1)                          (created with a lease)
 *     running(B, n) → moved(url, n+1)                 (it went on to another store)
 *     running(B, n) → running(B, n), revision + 1     (B renewed its lease)
 *     running(B, n), departing(B, n) → at-rest(last package, n+1)   (reclaimed: B is gone for good, or its lease ran out)
 *
 * `docs/OWNERSHIP.md` says who takes which step, and what a host does that finds its right gone.
 */
export type OwnershipState =
  | {
      readonly state: 'running';
      readonly owner: string;
      /** The last package of it in this store, which a reclaim goes back to; null when there is none, or an older Kelpie wrote this. */
      readonly packageId: string | null;
      readonly lease: Lease | null;
    }
  | {
      readonly state: 'departing';
      readonly owner: string;
      readonly packageId: string;
      readonly lease: Lease | null;
    }
  | {
      readonly state: 'at-rest';
      readonly packageId: string;
      /** The name of the host that it was taken from by a reclaim; null when it came to rest by itself. */
      readonly reclaimedFrom: string | null;
    }
  | { readonly state: 'moved'; readonly storeUrl: string }
  | { readonly state: 'removed' };

/**
 * The owner's promise: it has paused the VM, for good or until it has renewed, when this time has passed since it *began to ask* for this
 * revision, by its own clock. No two clocks are ever compared: whoever sees one revision stand for longer than that, by its own clock, knows.
 */
export interface Lease {
  readonly durationMs: number;
}

export type OwnershipRecord = OwnershipState & {
  readonly vmId: string;
  readonly vmName: string;
  /** Grows by at least one with each change of state that moves the right to run. */
  readonly epoch: number;
  /** Counts every change; what compare-and-swap compares. */
  readonly revision: number;
  readonly changedAtUnixMs: number;
  /** For people: the host's name beside its id. */
  readonly hostName: string;
};

export interface OwnershipRecords {
  /** The record as it is now, or null. @throws KelpieError `store_unavailable`, `package_corrupt` when it cannot be parsed. */
  read(vmId: string): Promise<OwnershipRecord | null>;
  /**
   * Writes `next` (durably) if the record's revision is `expectedRevision` (0: there is none); `next.revision` must be one more.
   * @throws KelpieError `store_conflict` when it is another: nothing was written. Any other error leaves the outcome
   * *unknown*: read before deciding.
   */
  compareAndSwap(expectedRevision: number, next: OwnershipRecord): Promise<void>;
  /** All records. @throws KelpieError `limit_exceeded` for more than `OWNERSHIP_RECORDS_LISTED_MAX`, `package_corrupt` that names one. */
  list(): Promise<readonly OwnershipRecord[]>;
}
