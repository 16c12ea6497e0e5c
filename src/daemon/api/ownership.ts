/** Who may run a VM, and taking it from a host that is gone. */
import { z } from 'zod';
import { sha256, storeUrl, uuid, vmReference } from './fields.ts';

export interface WhoQuery {
  /** Absent: the store that this host has the VM from. */
  readonly storeUrl?: string;
}
export const whoQuery: z.ZodType<WhoQuery> = z.strictObject({ storeUrl: z.exactOptional(storeUrl) });

export type RecordState = 'running' | 'departing' | 'at-rest' | 'moved' | 'removed';

/** The store's record. */
export interface RecordView {
  readonly state: RecordState;
  readonly epoch: number;
  readonly revision: number;
  readonly changedAtUnixMs: number;
  /** Id of the host that has it; null when nobody has. */
  readonly owner: string | null;
  /** Of whoever changed it last. */
  readonly hostName: string;
  readonly packageId: string | null;
  readonly leaseMs: number | null;
  readonly reclaimedFrom: string | null;
  /** Where it went, when `moved`. */
  readonly movedTo: string | null;
}

/** This host's view. */
export interface LocalRightView {
  readonly state: string;
  readonly epoch: number | null;
  readonly leaseMs: number | null;
  /** Until this host pauses it unless it renews; null without a lease. */
  readonly leaseLeftMs: number | null;
  /** Why the last renewal failed. */
  readonly leaseTrouble: string | null;
  /** Paused because the lease could not be renewed. */
  readonly isLeasePaused: boolean;
}

export interface OperationView {
  readonly kind: string;
  readonly step: string | null;
  readonly startedAtUnixMs: number;
}

export interface WhoView {
  readonly vmId: string;
  readonly vmName: string;
  /** Null for a VM that was never in a store. */
  readonly storeUrl: string | null;
  readonly record: RecordView | null;
  /** Why the record is not known; null when it is, or when there is no store. */
  readonly trouble: string | null;
  readonly local: LocalRightView | null;
  /** What the journal of this host says is under way. */
  readonly operations: readonly OperationView[];
  /** Name of the one host that may run it; null: nobody, or not known. */
  readonly mayRun: string | null;
  /** Sentences for people: who, and why. */
  readonly because: readonly string[];
}

const recordView: z.ZodType<RecordView> = z.object({
  state: z.enum(['running', 'departing', 'at-rest', 'moved', 'removed']),
  epoch: z.int(),
  revision: z.int(),
  changedAtUnixMs: z.number(),
  owner: z.string().nullable(),
  hostName: z.string(),
  packageId: z.string().nullable(),
  leaseMs: z.number().nullable(),
  reclaimedFrom: z.string().nullable(),
  movedTo: z.string().nullable(),
});

export const whoView: z.ZodType<WhoView> = z.object({
  vmId: uuid,
  vmName: z.string(),
  storeUrl: z.string().nullable(),
  record: recordView.nullable(),
  trouble: z.string().nullable(),
  local: z
    .object({
      state: z.string(),
      epoch: z.int().nullable(),
      leaseMs: z.number().nullable(),
      leaseLeftMs: z.number().nullable(),
      leaseTrouble: z.string().nullable(),
      isLeasePaused: z.boolean(),
    })
    .nullable(),
  operations: z.array(
    z.object({ kind: z.string(), step: z.string().nullable(), startedAtUnixMs: z.number() }),
  ),
  mayRun: z.string().nullable(),
  because: z.array(z.string()),
});

export interface Reclaim {
  readonly storeUrl: string;
  readonly vm: string;
  /** A person's word that the host which has it is gone for good. */
  readonly force: boolean;
}
export const reclaimBody: z.ZodType<Reclaim> = z.strictObject({
  storeUrl,
  vm: vmReference,
  force: z.boolean().default(false),
});

/** Phases: `check`, `observe`, `reclaim`. */
export interface Reclaimed {
  readonly vmId: string;
  readonly vmName: string;
  readonly storeUrl: string;
  readonly packageId: string;
  readonly epoch: number;
  readonly reclaimedFrom: string;
}
export const reclaimed: z.ZodType<Reclaimed> = z.object({
  vmId: uuid,
  vmName: z.string(),
  storeUrl: z.string(),
  packageId: sha256,
  epoch: z.int(),
  reclaimedFrom: z.string(),
});
