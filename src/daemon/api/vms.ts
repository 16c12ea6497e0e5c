/** VMs over the API: what is asked for, and how a VM is told. */
import { z } from 'zod';
import { backendChoices } from './backend-choice.ts';
import type { BackendChoice } from './backend-choice.ts';
import { vmStates } from '../../vm/state.ts';
import type { VmState } from '../../vm/state.ts';
import { machineFacts } from '../../snapshot/machine-facts.ts';
import { portabilities } from '../../snapshot/metadata.ts';
import type {
  Architecture,
  ImageReference,
  MachineFacts,
  Portability,
  PortForward,
} from '../../snapshot/metadata.ts';
import { architecture, imageReference, leaseOf, portForward, vmName } from './fields.ts';
import type { LeaseWish } from './fields.ts';
import {
  VM_DISK_MIB_MAX,
  VM_DISK_MIB_MIN,
  VM_MEMORY_MIB_MAX,
  VM_MEMORY_MIB_MIN,
  VM_PORT_FORWARDS_MAX,
  VM_VCPU_COUNT_MAX,
  VM_VCPU_COUNT_MIN,
} from './limits.ts';

export interface VmCreate {
  readonly name: string;
  /** Name, `NAME@VERSION` or digest of an image. Default `base`. */
  readonly image: string;
  /** Default: the host's. */
  readonly architecture?: Architecture;
  readonly vcpuCount: number;
  readonly memoryMib: number;
  readonly diskMib: number;
  readonly portability: Portability;
  readonly publish: readonly PortForward[];
  /** What shall run it. Default: the first that this host can use for such a VM. */
  readonly backend?: BackendChoice;
  readonly lease?: LeaseWish;
}

export const VM_DEFAULTS = {
  image: 'base',
  vcpuCount: 1,
  memoryMib: 512,
  diskMib: 4096,
  portability: 'arch',
} as const;

const bounded = (min: number, max: number): z.ZodType<number> =>
  z.int('must be a whole number').min(min, `must be ${min} … ${max}`).max(max, `must be ${min} … ${max}`);

export const vmCreate: z.ZodType<VmCreate> = z.strictObject({
  name: vmName,
  image: z.string().min(1).max(256).default(VM_DEFAULTS.image),
  architecture: z.exactOptional(architecture),
  vcpuCount: bounded(VM_VCPU_COUNT_MIN, VM_VCPU_COUNT_MAX).default(VM_DEFAULTS.vcpuCount),
  memoryMib: bounded(VM_MEMORY_MIB_MIN, VM_MEMORY_MIB_MAX).default(VM_DEFAULTS.memoryMib),
  diskMib: bounded(VM_DISK_MIB_MIN, VM_DISK_MIB_MAX).default(VM_DEFAULTS.diskMib),
  portability: z.enum(portabilities).default(VM_DEFAULTS.portability),
  publish: z.array(portForward).max(VM_PORT_FORWARDS_MAX).default([]),
  backend: z.exactOptional(z.enum(backendChoices)),
  lease: z.exactOptional(leaseOf),
});

/**
 * A VM's state for people: the backend's, or `departed` (it was teleported away: its copy here is gone), or `damaged` (its record cannot be
 * read; `reason` says why).
 */
export type VmViewState = VmState | 'suspended' | 'departed' | 'damaged';

export interface VmView {
  readonly id: string;
  readonly name: string;
  readonly state: VmViewState;
  /** Why it crashed or is damaged; null otherwise. */
  readonly reason: string | null;
  /** The operation under way: `snapshot`, `teleport` …; null when none is. */
  readonly busy: string | null;
  readonly architecture: Architecture;
  readonly vcpuCount: number;
  readonly memoryMib: number;
  readonly diskMib: number;
  readonly image: ImageReference;
  readonly portability: Portability;
  readonly publish: readonly PortForward[];
  readonly createdAtUnixMs: number;
  /** When it last began to run here; null while it does not. */
  readonly startedAtUnixMs: number | null;
  /** Times that it was restored. */
  readonly generation: number;
  /** The snapshot that it was started from or took last. */
  readonly snapshotId: string | null;
  /** Where it went, when `departed`; `reclaimedBy`: the host that took it from here. */
  readonly departed: {
    readonly storeUrl: string;
    readonly packageId: string;
    readonly reclaimedBy: string | null;
  } | null;
  /** The right to run it is a lease of a store; null for any other. */
  readonly lease: LeaseView | null;
  /** What it is a copy of; null for a VM that was not forked. */
  readonly forkedFrom: { readonly vmId: string; readonly vmName: string } | null;
  /** What runs it; null while nothing does. */
  readonly machine: MachineFacts | null;
}

export interface LeaseView {
  readonly storeUrl: string;
  readonly durationMs: number;
  /** The VM is paused, since the lease could not be renewed; it goes on when it is. */
  readonly isPaused: boolean;
}

const vmViewShape = {
  id: z.string(),
  name: z.string(),
  state: z.enum([...vmStates, 'suspended', 'departed', 'damaged']),
  reason: z.string().nullable(),
  busy: z.string().nullable(),
  architecture,
  vcpuCount: z.int(),
  memoryMib: z.int(),
  diskMib: z.int(),
  image: imageReference,
  portability: z.enum(portabilities),
  publish: z.array(portForward),
  createdAtUnixMs: z.number(),
  startedAtUnixMs: z.number().nullable(),
  generation: z.int(),
  snapshotId: z.string().nullable(),
  departed: z
    .object({ storeUrl: z.string(), packageId: z.string(), reclaimedBy: z.string().nullable() })
    .nullable(),
  lease: z.object({ storeUrl: z.string(), durationMs: z.number(), isPaused: z.boolean() }).nullable(),
  forkedFrom: z.object({ vmId: z.string(), vmName: z.string() }).nullable(),
  machine: machineFacts.nullable(),
};

export const vmView: z.ZodType<VmView> = z.object(vmViewShape);

/** `inspect`: the view, and what lies behind it on this host. */
export interface VmDetail extends VmView {
  readonly pid: number | null;
  /** The right to run it, when it has been in a store; null for a VM that never left. */
  readonly ownership: { readonly storeUrl: string; readonly epoch: number } | null;
  /** Files of this host; for people and tests, not for other programs. */
  readonly files: {
    readonly record: string;
    readonly runDirectory: string;
    readonly memory: string | null;
    readonly disk: readonly string[];
  };
}

export const vmDetail: z.ZodType<VmDetail> = z.object({
  ...vmViewShape,
  pid: z.int().nullable(),
  ownership: z.object({ storeUrl: z.string(), epoch: z.int() }).nullable(),
  files: z.object({
    record: z.string(),
    runDirectory: z.string(),
    memory: z.string().nullable(),
    disk: z.array(z.string()),
  }),
});

export interface VmList {
  readonly vms: readonly VmView[];
}
export const vmList: z.ZodType<VmList> = z.object({ vms: z.array(vmView) });

/** Milliseconds of what was done, by phase. */
export type Timings = Readonly<Record<string, number>>;
export const timings: z.ZodType<Timings> = z.record(z.string(), z.number());

export interface VmStarted {
  readonly vm: VmView;
  readonly timings: Timings;
}
export const vmStarted: z.ZodType<VmStarted> = z.object({ vm: vmView, timings });

export interface VmStop {
  /** Kill it instead of asking the guest to power off. */
  readonly force: boolean;
}
export const vmStop: z.ZodType<VmStop> = z.strictObject({ force: z.boolean().default(false) });

export interface VmRemove {
  /** Stop it first when it runs. */
  readonly force: boolean;
}
/** A query string, so `true` and `false` are words. */
export const vmRemove: z.ZodType<VmRemove> = z.strictObject({ force: z.stringbool().default(false) });
