/** Snapshots, restores and teleports over the API. */
import { z } from 'zod';
import { snapshotKinds } from '../../snapshot/metadata.ts';
import type { Architecture, PortForward } from '../../snapshot/metadata.ts';
import {
  architecture,
  leaseMs,
  message,
  packageReference,
  portForward,
  snapshotReference,
  storeUrl,
  vmName,
  vmReference,
} from './fields.ts';
import {
  VM_DISK_MIB_MAX,
  VM_DISK_MIB_MIN,
  VM_MEMORY_MIB_MAX,
  VM_MEMORY_MIB_MIN,
  VM_PORT_FORWARDS_MAX,
} from './limits.ts';
import { timings, vmView } from './vms.ts';
import type { Timings, VmView } from './vms.ts';

export interface SnapshotCreate {
  readonly message: string;
}
export const snapshotCreate: z.ZodType<SnapshotCreate> = z.strictObject({ message: message.default('') });

export interface SnapshotView {
  readonly id: string;
  readonly vmId: string;
  readonly parentId: string | null;
  readonly kind: 'suspend' | 'teleport' | 'checkpoint';
  readonly message: string;
  readonly createdAtUnixMs: number;
  /** What the VM had written to memory since it started from its base. */
  readonly dirtyBytes: number;
  readonly pauseMs: number;
  /** Why it cannot be restored; null when it can. */
  readonly damaged: string | null;
}
export const snapshotView: z.ZodType<SnapshotView> = z.object({
  id: z.string(),
  vmId: z.string(),
  parentId: z.string().nullable(),
  kind: z.enum(snapshotKinds),
  message: z.string(),
  createdAtUnixMs: z.number(),
  dirtyBytes: z.number(),
  pauseMs: z.number(),
  damaged: z.string().nullable(),
});

export interface SnapshotCreated {
  readonly snapshot: SnapshotView;
  readonly timings: Timings;
}
export const snapshotCreated: z.ZodType<SnapshotCreated> = z.object({ snapshot: snapshotView, timings });

/** The tree: every snapshot with its parent; `currentId` is where the VM stands. Oldest first. */
export interface SnapshotLog {
  readonly snapshots: readonly SnapshotView[];
  readonly currentId: string | null;
}
export const snapshotLog: z.ZodType<SnapshotLog> = z.object({
  snapshots: z.array(snapshotView),
  currentId: z.string().nullable(),
});

/** What can be chosen for the VM that a checkpoint is restored as, and for no other. */
export interface NewMachine {
  /** Absent: the host's. */
  readonly architecture?: Architecture;
  /** Absent: as much as the VM had. */
  readonly memoryMib?: number;
  readonly diskMib?: number;
}
const newMachine: z.ZodType<NewMachine> = z.strictObject({
  architecture: z.exactOptional(architecture),
  memoryMib: z.exactOptional(z.int().min(VM_MEMORY_MIB_MIN).max(VM_MEMORY_MIB_MAX)),
  diskMib: z.exactOptional(z.int().min(VM_DISK_MIB_MIN).max(VM_DISK_MIB_MAX)),
});

export interface RestoreLocal {
  /** Absent: the one that the VM took last. A unique beginning of an id will do. */
  readonly snapshotId?: string;
  /** Stop the VM first when it runs: what it did since its last snapshot is lost. */
  readonly replace: boolean;
  /** For a checkpoint, which becomes a new VM: its name, which must be another than that of the VM it was taken of. */
  readonly name?: string;
  readonly machine?: NewMachine;
}
export const restoreLocal: z.ZodType<RestoreLocal> = z.strictObject({
  snapshotId: z.exactOptional(snapshotReference),
  replace: z.boolean().default(false),
  name: z.exactOptional(vmName),
  machine: z.exactOptional(newMachine),
});

export interface RestoreFromStore {
  readonly storeUrl: string;
  /** Name or id of the VM at rest in the store. One of `vm` and `packageId` must be there. */
  readonly vm?: string;
  /** Its id, or a unique beginning of it. */
  readonly packageId?: string;
  /** A name for it on this host, when its own is taken. */
  readonly name?: string;
  /** Port forwards on this host, when its own are taken. */
  readonly publish?: readonly PortForward[];
  /** Take the right to run it as a lease of this length: a host that cannot renew it pauses the VM. */
  readonly leaseMs?: number;
  /** For a checkpoint. */
  readonly machine?: NewMachine;
}
export const restoreFromStore: z.ZodType<RestoreFromStore> = z
  .strictObject({
    storeUrl,
    vm: z.exactOptional(vmReference),
    packageId: z.exactOptional(packageReference),
    name: z.exactOptional(vmName),
    publish: z.exactOptional(z.array(portForward).max(VM_PORT_FORWARDS_MAX)),
    leaseMs: z.exactOptional(leaseMs),
    machine: z.exactOptional(newMachine),
  })
  .refine(
    (request) => request.vm !== undefined || request.packageId !== undefined,
    'name the VM or the package that is to be restored',
  );

/** Phases: `check`, `download`, `claim`, `process`, `load`, `resume`, `repair`. */
export interface Restored {
  readonly vm: VmView;
  readonly timings: Timings;
  /** What came over the wire; 0 for a snapshot of this host. */
  readonly downloadedBytes: number;
}
export const restored: z.ZodType<Restored> = z.object({ vm: vmView, timings, downloadedBytes: z.number() });
