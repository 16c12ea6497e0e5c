/** The operations that take several lasting steps, as the journal holds them. What a crash means for each: `recovery.ts`. */
import { z } from 'zod';
import { departed, standing } from './vm-record.ts';
import type { Departure, Standing } from './vm-record.ts';

interface Common {
  readonly id: string;
  readonly vmId: string;
  /** For people who read the journal. */
  readonly vmName: string;
  readonly startedAtUnixMs: number;
}

/** A first boot, or a copy that is made of another VM. Until it has ended, the VM never was. */
export interface CreateOperation extends Common {
  readonly kind: 'create';
}
/** A boot from the disk of a stopped VM. */
export interface StartOperation extends Common {
  readonly kind: 'start';
  readonly before: Standing;
}
export interface StopOperation extends Common {
  readonly kind: 'stop';
}
export interface SnapshotOperation extends Common {
  readonly kind: 'snapshot';
  readonly snapshotId: string;
  readonly wasRunning: boolean;
}
/** To sleep: a snapshot, and the end of what runs. */
export interface SuspendOperation extends Common {
  readonly kind: 'suspend';
  readonly snapshotId: string;
  readonly wasRunning: boolean;
}
/** A snapshot that is only for copies (`fork.ts`): it is gone again when they have what they need of it. Each copy has a `create` of its own. */
export interface ForkOperation extends Common {
  readonly kind: 'fork';
  readonly snapshotId: string;
  readonly wasRunning: boolean;
}
/** A copy of the applications' state and files, of a VM that goes on: until it has ended, the checkpoint never was. */
export interface CheckpointOperation extends Common {
  readonly kind: 'checkpoint';
  readonly snapshotId: string;
}
/** Back to a snapshot of this host. */
export interface RestoreOperation extends Common {
  readonly kind: 'restore';
  readonly snapshotId: string;
  readonly before: Standing;
}
/**
 * Out to a store. `preparing`: nobody else was told; a package may be in the store. `departing`: the ownership record may say so. `committing`: it may say that the
 * VM is at rest in `packageId`. `committed`: it does; only the local copy is left to end.
 */
export interface TeleportOperation extends Common {
  readonly kind: 'teleport';
  readonly step: 'preparing' | 'departing' | 'committing' | 'committed';
  readonly storeUrl: string;
  readonly snapshotId: string;
  readonly wasRunning: boolean;
  /** Of the at-rest record that commits this teleport. */
  readonly commitEpoch: number;
  /** Known from `departing` on. */
  readonly packageId: string | null;
}
/**
 * In from a store. `fetching`: only files of this host. `claiming`: the ownership record may say that this host runs it. `claimed`: it does.
 */
export interface ClaimOperation extends Common {
  readonly kind: 'claim';
  readonly step: 'fetching' | 'claiming' | 'claimed';
  readonly storeUrl: string;
  readonly packageId: string;
  readonly snapshotId: string;
  /** Of the running record that claims it. */
  readonly claimEpoch: number;
  /** Null when this host had no record of the VM. */
  readonly before: Standing | null;
}
export interface RemoveOperation extends Common {
  readonly kind: 'remove';
}

/** A file becomes a package: once the manifest is there, the VM of it comes to rest in it. Nothing of it is on this host. */
export interface DepositOperation extends Common {
  readonly kind: 'deposit';
  readonly storeUrl: string;
  readonly packageId: string;
}

/** The store says that another host has the VM: the copy here is ended, and what it had is kept as a snapshot that nothing runs. */
export interface SupersedeOperation extends Common {
  readonly kind: 'supersede';
  /** Of the snapshot that keeps it. */
  readonly snapshotId: string;
  /** What the tombstone will say. */
  readonly departed: Departure;
}

export type Operation =
  | CreateOperation
  | StartOperation
  | StopOperation
  | SnapshotOperation
  | SuspendOperation
  | ForkOperation
  | CheckpointOperation
  | RestoreOperation
  | TeleportOperation
  | ClaimOperation
  | RemoveOperation
  | DepositOperation
  | SupersedeOperation;

const common = { id: z.uuid(), vmId: z.uuid(), vmName: z.string(), startedAtUnixMs: z.number() };

export const operation: z.ZodType<Operation> = z.discriminatedUnion('kind', [
  z.object({ ...common, kind: z.literal('create') }),
  z.object({ ...common, kind: z.literal('start'), before: standing }),
  z.object({ ...common, kind: z.literal('stop') }),
  z.object({ ...common, kind: z.literal('snapshot'), snapshotId: z.uuid(), wasRunning: z.boolean() }),
  z.object({ ...common, kind: z.literal('suspend'), snapshotId: z.uuid(), wasRunning: z.boolean() }),
  z.object({ ...common, kind: z.literal('fork'), snapshotId: z.uuid(), wasRunning: z.boolean() }),
  z.object({ ...common, kind: z.literal('checkpoint'), snapshotId: z.uuid() }),
  z.object({ ...common, kind: z.literal('restore'), snapshotId: z.uuid(), before: standing }),
  z.object({
    ...common,
    kind: z.literal('teleport'),
    step: z.enum(['preparing', 'departing', 'committing', 'committed']),
    storeUrl: z.string(),
    snapshotId: z.uuid(),
    wasRunning: z.boolean(),
    commitEpoch: z.int(),
    packageId: z.string().nullable(),
  }),
  z.object({
    ...common,
    kind: z.literal('claim'),
    step: z.enum(['fetching', 'claiming', 'claimed']),
    storeUrl: z.string(),
    packageId: z.string(),
    snapshotId: z.uuid(),
    claimEpoch: z.int(),
    before: standing.nullable(),
  }),
  z.object({ ...common, kind: z.literal('remove') }),
  z.object({ ...common, kind: z.literal('deposit'), storeUrl: z.string(), packageId: z.string() }),
  z.object({ ...common, kind: z.literal('supersede'), snapshotId: z.uuid(), departed }),
]);
