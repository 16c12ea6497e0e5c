/**
 * The record of a VM on this host, `vms/ID/vm.json`: everything that the daemon must know after a restart.
 *
 * `departed` is the tombstone of a teleport, or of a reclaim by another host: while it is there, nothing of this VM may ever run on this host.
 */
import { z } from 'zod';
import { vmStates } from '../vm/state.ts';
import { machineFacts } from '../snapshot/machine-facts.ts';
import { backendName, diskLayer, memoryImage, vmConfig } from './record-schemas.ts';
import type { DiskLayer } from '../snapshot/local-snapshot.ts';
import type { MachineFacts, VmConfig } from '../snapshot/metadata.ts';
import type { VmRuntime } from '../vm/instance.ts';
import type { VmState } from '../vm/state.ts';

/** `suspended`: it stands in `snapshotId` as it was when it was put to sleep, and nothing of it runs. */
export type VmRecordState = VmState | 'suspended';

export interface VmRecord {
  readonly formatVersion: 1;
  readonly id: string;
  readonly config: VmConfig;
  readonly createdAtUnixMs: number;
  readonly state: VmRecordState;
  /** Why it is in this state, when that is worth telling: a crash. */
  readonly reason: string | null;
  readonly startedAtUnixMs: number | null;
  /** How often it was restored; the guest sees it and knows that it was. Only grows. */
  readonly generation: number;
  /** The snapshot that it was started from or took last. */
  readonly snapshotId: string | null;
  /** What runs it: asked for when it was made, else what ran it last, since no other knows its disk. Null before its first start: the host's best. */
  readonly backend: MachineFacts['backend'] | null;
  /** Finds the running VM again; null while none runs. */
  readonly runtime: VmRuntime | null;
  /** The disk as the VM has or left it, bottom first; empty before its first boot. */
  readonly disk: readonly DiskLayer[];
  /** The right to run it came from a store; null for a VM that was never in one. */
  readonly ownership: HeldRight | null;
  readonly departed: Departure | null;
  /** What it is a copy of; null for a VM that was not forked from another. */
  readonly forkedFrom: ForkedFrom | null;
}

export interface ForkedFrom {
  readonly vmId: string;
  readonly vmName: string;
  /** The snapshot that the copy began with. In it the guest has the names of the other VM: whoever goes back to it gives it these. */
  readonly snapshotId: string;
  readonly machineId: string;
}

/** What this host holds of a store's ownership record. */
export interface HeldRight {
  readonly storeUrl: string;
  readonly epoch: number;
  /** The right must be renewed within this time (`leases.ts`); null: it holds until it is given away. */
  readonly leaseMs: number | null;
  /**
   * `paused`: the lease could not be renewed in time, and the VM is surely paused. `ending`: it was renewed, and the VM is about to go on. In both it goes
   * on by itself; a VM that a person paused has `none`.
   */
  readonly leasePause: 'none' | 'paused' | 'ending';
}

export interface Departure {
  readonly storeUrl: string;
  readonly packageId: string;
  readonly epoch: number;
  /** The name of the host that took it from here; null when it left by a teleport. */
  readonly reclaimedBy: string | null;
}

/** The record of a VM of which nothing has run here yet, but for what is said of it. */
export function newVmRecord(
  vm: Pick<VmRecord, 'id' | 'config' | 'createdAtUnixMs'> & Partial<VmRecord>,
): VmRecord {
  return {
    formatVersion: 1,
    state: 'created',
    reason: null,
    startedAtUnixMs: null,
    generation: 0,
    snapshotId: null,
    backend: null,
    runtime: null,
    disk: [],
    ownership: null,
    departed: null,
    forkedFrom: null,
    ...vm,
  };
}

/** What of a record an operation puts back when it fails. */
export type Standing = Pick<
  VmRecord,
  'config' | 'state' | 'reason' | 'disk' | 'snapshotId' | 'departed' | 'ownership'
>;

/** It stands still, or is about to go on, for the sake of its lease. One that has ended meanwhile waits for nothing, whatever is still noted of it. */
export function isPausedByLease({ state, ownership }: Pick<VmRecord, 'state' | 'ownership'>): boolean {
  const isThere = state === 'paused' || state === 'running';
  return isThere && ownership !== null && ownership.leasePause !== 'none';
}

export function standingOf(record: VmRecord): Standing {
  const { config, state, reason, disk, snapshotId, departed, ownership } = record;
  return { config, state, reason, disk, snapshotId, departed, ownership };
}

const state: z.ZodType<VmRecordState> = z.enum([...vmStates, 'suspended']);
const ownership = z.object({
  storeUrl: z.string(),
  epoch: z.int().min(0),
  leaseMs: z.int().positive().nullable().default(null),
  leasePause: z.enum(['none', 'paused', 'ending']).default('none'),
});
export const departed: z.ZodType<Departure> = z.object({
  storeUrl: z.string(),
  packageId: z.string(),
  epoch: z.int().min(0),
  reclaimedBy: z.string().nullable().default(null),
});

const forkedFrom: z.ZodType<ForkedFrom> = z.object({
  vmId: z.uuid(),
  vmName: z.string(),
  snapshotId: z.uuid(),
  machineId: z.string().regex(/^[0-9a-f]{32}$/),
});

const runtime: z.ZodType<VmRuntime> = z.object({
  process: z.object({ pid: z.int().positive(), startedAt: z.string() }),
  machine: machineFacts,
  memory: memoryImage.nullable(),
  disk: z.array(diskLayer),
  details: z.record(z.string(), z.string()),
});

export const standing: z.ZodType<Standing> = z.object({
  config: vmConfig,
  state,
  reason: z.string().nullable(),
  disk: z.array(diskLayer),
  snapshotId: z.uuid().nullable(),
  departed: departed.nullable(),
  ownership: ownership.nullable(),
});

export const vmRecord: z.ZodType<VmRecord> = z.object({
  formatVersion: z.literal(1),
  id: z.uuid(),
  config: vmConfig,
  createdAtUnixMs: z.number(),
  state,
  reason: z.string().nullable(),
  startedAtUnixMs: z.number().nullable(),
  generation: z.int().min(0),
  snapshotId: z.uuid().nullable(),
  // Absent in records of versions that had one backend.
  backend: backendName.nullable().default(null),
  runtime: runtime.nullable(),
  disk: z.array(diskLayer),
  ownership: ownership.nullable(),
  departed: departed.nullable(),
  // Absent in records of versions that had no forks.
  forkedFrom: forkedFrom.nullable().default(null),
});
