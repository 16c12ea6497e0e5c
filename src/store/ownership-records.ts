/**
 * The one object per VM in a store that says which host may run it. It is changed only by compare-and-swap; epochs only grow.
 *
 *     (none) → departing(A, n, P) → at-rest(P, n+1) → running(B, n+2) → departing(B, n+2, P') → …
 *                    ↘ running(A, n)  (the source took it back: the publish failed)
 *     running(B, n) → moved(url, n+1)                 (it went on to another store)
 */
export type OwnershipState =
  | { readonly state: 'running'; readonly owner: string }
  | { readonly state: 'departing'; readonly owner: string; readonly packageId: string }
  | { readonly state: 'at-rest'; readonly packageId: string }
  | { readonly state: 'moved'; readonly storeUrl: string }
  | { readonly state: 'removed' };

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
