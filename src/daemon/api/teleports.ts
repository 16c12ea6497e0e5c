/** Teleports over the API, to a store, or to one host of it. */
import { z } from 'zod';
import { application, checkpointCreated } from './checkpoints.ts';
import { hostReference, message, sha256, storeUrl, uuid } from './fields.ts';
import { timings } from './vms.ts';
import type { AskedApplication, CheckpointCreated } from './checkpoints.ts';
import type { Timings } from './vms.ts';

export interface Teleport {
  readonly storeUrl: string;
  readonly message: string;
  /** Publish the VM's image too, so that a host without it can restore. */
  readonly includeImage: boolean;
  /** Only when it can go on on this host, which the store knows: its name, its id, or a beginning of that. Absent: whoever restores it looks. */
  readonly forHost?: string;
  /** With `forHost`: where its running memory cannot go on there, a checkpoint is published in its place, and the VM goes on here. */
  readonly allowCheckpoint: boolean;
  /** For that checkpoint; absent: what the guest declares. */
  readonly application?: AskedApplication;
}
export const teleport: z.ZodType<Teleport> = z
  .strictObject({
    storeUrl,
    message: message.default(''),
    includeImage: z.boolean().default(true),
    forHost: z.exactOptional(hostReference),
    allowCheckpoint: z.boolean().default(false),
    application: z.exactOptional(application),
  })
  .refine(
    ({ forHost, allowCheckpoint }) => forHost !== undefined || !allowCheckpoint,
    'a checkpoint needs a host that it is for',
  );

/** A host as a store knows it. */
export interface HostName {
  readonly id: string;
  readonly name: string;
}
const hostName: z.ZodType<HostName> = z.object({ id: z.string(), name: z.string() });

interface TeleportedVm {
  readonly vmId: string;
  readonly vmName: string;
  readonly storeUrl: string;
  readonly packageId: string;
  readonly timings: Timings;
}
const teleportedVm = { vmId: uuid, vmName: z.string(), storeUrl: z.string(), packageId: sha256, timings };

/** Phases: `check`, `image`, `capture`, `publish`, `announce`, `commit`, `end`. */
export interface MemoryTeleported extends TeleportedVm {
  readonly kind: 'memory';
  /** Null when it may go to any. */
  readonly forHost: HostName | null;
  readonly epoch: number;
  /** What the memory and the disk hold that is not zero, and what had to be sent for them, compressed: the rest was in the store. */
  readonly bytes: { readonly memory: number; readonly disk: number; readonly sent: number };
  readonly isEncrypted: boolean;
  /** How many can read it; null when it is not encrypted. */
  readonly recipientCount: number | null;
  /** What this host signed it with; null when it signs nothing. */
  readonly signedBy: string | null;
}
const memoryTeleported: z.ZodType<MemoryTeleported> = z.object({
  ...teleportedVm,
  kind: z.literal('memory'),
  forHost: hostName.nullable(),
  epoch: z.int(),
  bytes: z.object({ memory: z.number(), disk: z.number(), sent: z.number() }),
  isEncrypted: z.boolean(),
  recipientCount: z.int().nullable(),
  signedBy: z.string().nullable(),
});

/** A checkpoint was published; the VM did not leave. Phases as those of a checkpoint. */
export interface CheckpointTeleported extends TeleportedVm {
  readonly kind: 'checkpoint';
  readonly forHost: HostName;
  /** Why its running memory could not go on there, each with what would work instead. */
  readonly reasons: readonly string[];
  /** What the host still lacks for the checkpoint, as far as it is known. */
  readonly lacks: readonly string[];
  readonly checkpoint: CheckpointCreated;
}
const checkpointTeleported: z.ZodType<CheckpointTeleported> = z.object({
  ...teleportedVm,
  kind: z.literal('checkpoint'),
  forHost: hostName,
  reasons: z.array(z.string()),
  lacks: z.array(z.string()),
  checkpoint: checkpointCreated,
});

export type Teleported = MemoryTeleported | CheckpointTeleported;
export const teleported: z.ZodType<Teleported> = z.union([memoryTeleported, checkpointTeleported]);
