/** Checkpoints over the API. */
import { z } from 'zod';
import { message, sha256, storeUrl } from './fields.ts';
import { ARGV_COUNT_MAX, GUEST_PATH_LENGTH_MAX } from './limits.ts';
import { snapshotView } from './snapshots.ts';
import type { SnapshotView } from './snapshots.ts';
import { timings } from './vms.ts';
import type { Timings } from './vms.ts';

/** What an application is, in the place of the manifests of its guest; checked as those are. */
export interface AskedApplication {
  readonly name: string;
  readonly workspace: readonly string[];
  /** Writes the state to its standard output. */
  readonly save: readonly string[] | null;
  /** Reads it from its standard input. */
  readonly reload: readonly string[] | null;
  readonly user: string | null;
  readonly timeoutMs?: number;
}

export interface CheckpointCreate {
  readonly message: string;
  /** Absent: it stays on this host. */
  readonly storeUrl?: string;
  /** Absent: what the guest declares. */
  readonly application?: AskedApplication;
}

const argv = z.array(z.string().max(GUEST_PATH_LENGTH_MAX)).min(1).max(ARGV_COUNT_MAX).nullable();
export const application: z.ZodType<AskedApplication> = z.strictObject({
  name: z.string().max(64),
  workspace: z.array(z.string().max(GUEST_PATH_LENGTH_MAX)).max(64),
  save: argv.default(null),
  reload: argv.default(null),
  user: z.string().max(64).nullable().default(null),
  timeoutMs: z.exactOptional(z.int()),
});
export const checkpointCreate: z.ZodType<CheckpointCreate> = z.strictObject({
  message: message.default(''),
  storeUrl: z.exactOptional(storeUrl),
  application: z.exactOptional(application),
});

/** Phases: `applications`, `files`, `publish`. */
export interface CheckpointCreated {
  readonly snapshot: SnapshotView;
  readonly applications: readonly string[];
  readonly entryCount: number;
  /** Of all files. */
  readonly contentBytes: number;
  /** Bytes of pages that no earlier checkpoint of the VM had. */
  readonly newBytes: number;
  /** Null when it stays on this host. */
  readonly published: {
    readonly packageId: string;
    readonly storeUrl: string;
    /** Stored bytes that had to be sent. */
    readonly sentBytes: number;
    readonly isEncrypted: boolean;
    readonly signedBy: string | null;
  } | null;
  readonly timings: Timings;
}
export const checkpointCreated: z.ZodType<CheckpointCreated> = z.object({
  snapshot: snapshotView,
  applications: z.array(z.string()),
  entryCount: z.number(),
  contentBytes: z.number(),
  newBytes: z.number(),
  published: z
    .object({
      packageId: sha256,
      storeUrl: z.string(),
      sentBytes: z.number(),
      isEncrypted: z.boolean(),
      signedBy: z.string().nullable(),
    })
    .nullable(),
  timings,
});
