/** Packages as single files over the API: a snapshot of this host, or a package of a store, goes out; a new VM comes in. */
import { z } from 'zod';
import type { PortForward } from '../../snapshot/metadata.ts';
import { parseForwards } from './forwards.ts';
import { portForward, sha256, snapshotReference, storeUrl, vmName } from './fields.ts';
import { VM_PORT_FORWARDS_MAX } from './limits.ts';
import { snapshotView } from './snapshots.ts';
import { vmView } from './vms.ts';
import type { SnapshotView } from './snapshots.ts';
import type { VmView } from './vms.ts';

/** The form of the stream. */
export interface BlobForm {
  readonly version: 1 | 2;
  /** Version 2: frames of memory and disk compressed where that makes them shorter. */
  readonly compress: boolean;
  /** Leave the disk out: what version 1 does, and must be told to do. */
  readonly withoutDisk: boolean;
}
const formFields = {
  version: z.coerce
    .number()
    .pipe(z.literal([1, 2], 'must be 1 or 2'))
    .default(2),
  compress: z.stringbool().default(true),
  withoutDisk: z.stringbool().default(false),
} as const;

function withForm<T extends BlobForm>(schema: z.ZodType<T>): z.ZodType<T> {
  return schema
    .refine(({ version, withoutDisk }) => version === 2 || withoutDisk, {
      message: 'must be true for version 1, which has no disk: what is on the VM’s disk will be missing',
      path: ['withoutDisk'],
    })
    .refine(({ version, withoutDisk }) => version === 1 || !withoutDisk, {
      message: 'is for version 1; version 2 carries the disk',
      path: ['withoutDisk'],
    });
}

export interface BlobExportQuery extends BlobForm {
  /** Absent: the one that the VM took last. A unique beginning of an id will do. */
  readonly snapshot?: string;
}
export const blobExportQuery: z.ZodType<BlobExportQuery> = withForm(
  z.strictObject({ snapshot: z.exactOptional(snapshotReference), ...formFields }),
);

export interface PackageExportQuery extends BlobForm {
  readonly storeUrl: string;
}
export const packageExportQuery: z.ZodType<PackageExportQuery> = withForm(
  z.strictObject({ storeUrl, ...formFields }),
);

/** What comes, told before it comes. */
export interface BlobOpened {
  readonly vmId: string;
  readonly vmName: string;
  readonly snapshotId: string;
  /** Null: it comes from a snapshot of this host. */
  readonly packageId: string | null;
  readonly version: 1 | 2;
  /** What goes into the stream, before it is compressed: the total of its progress. */
  readonly payloadBytes: number;
}
export const blobOpened: z.ZodType<BlobOpened> = z.object({
  vmId: z.string(),
  vmName: z.string(),
  snapshotId: z.string(),
  packageId: z.string().nullable(),
  version: z.literal([1, 2]),
  payloadBytes: z.int().nonnegative(),
});

export interface BlobImportQuery {
  /** Absent: the name that the VM had. */
  readonly name?: string;
  /** Absent: those that the VM had. */
  readonly publish?: readonly PortForward[];
  /** Take a package of version 1, which has no disk: the VM gets an empty one. */
  readonly withoutDisk: boolean;
}
const importFields = {
  name: z.exactOptional(vmName),
  /** `8080:80,8443:443`; empty for none. */
  publish: z.exactOptional(
    z
      .string()
      .transform((text): unknown => parseForwards(text))
      .pipe(z.array(portForward).max(VM_PORT_FORWARDS_MAX)),
  ),
  withoutDisk: z.stringbool().default(false),
} as const;
export const blobImportQuery: z.ZodType<BlobImportQuery> = z.strictObject(importFields);

export interface BlobDepositQuery extends BlobImportQuery {
  readonly storeUrl: string;
}
export const blobDepositQuery: z.ZodType<BlobDepositQuery> = z.strictObject({ storeUrl, ...importFields });

/** Phases: `image`, `import`, `publish`. */
export interface BlobDeposited {
  readonly packageId: string;
  readonly vmId: string;
  readonly vmName: string;
  readonly storeUrl: string;
  /** Compressed: what the package takes in the store, without what was there already. */
  readonly sentBytes: number;
  readonly carriesImage: boolean;
  readonly isEncrypted: boolean;
  /** How many can read it; null when it is not encrypted. */
  readonly recipientCount: number | null;
  /** Public key of what this host signs with; null when it signs nothing. */
  readonly signedBy: string | null;
}
export const blobDeposited: z.ZodType<BlobDeposited> = z.object({
  packageId: sha256,
  vmId: z.string(),
  vmName: z.string(),
  storeUrl: z.string(),
  sentBytes: z.number(),
  carriesImage: z.boolean(),
  isEncrypted: z.boolean(),
  recipientCount: z.int().nullable(),
  signedBy: z.string().nullable(),
});

/** Phases: `import`. */
export interface BlobImported {
  readonly vm: VmView;
  readonly snapshot: SnapshotView;
}
export const blobImported: z.ZodType<BlobImported> = z.object({ vm: vmView, snapshot: snapshotView });
