/** What is done with the packages of a store after they were published, over the API. */
import { z } from 'zod';
import type { PruneRule } from '../../snapshot/prune-rule.ts';
import { packageReference, sha256, storeUrl } from './fields.ts';
import { PACKAGE_REFERENCES_MAX } from './limits.ts';
import { pruneRule } from './prune.ts';

const durationMs = z.int().nonnegative();

export interface PackageVerify {
  readonly storeUrl: string;
  /** Empty: all of the store. */
  readonly packages: readonly string[];
  /** Manifests, maps, and that the packs are there; not what is in them. */
  readonly isQuick: boolean;
}
export const packageVerify: z.ZodType<PackageVerify> = z.strictObject({
  storeUrl,
  packages: z.array(packageReference).max(PACKAGE_REFERENCES_MAX).default([]),
  isQuick: z.boolean().default(false),
});

export interface PackageVerified {
  readonly packages: readonly {
    readonly id: string;
    /** Sentences; none for a package that is whole. */
    readonly problems: readonly string[];
    /** What was read and was right; what packages share is counted once. */
    readonly frames: number;
    readonly checkedBytes: number;
  }[];
}
export const packageVerified: z.ZodType<PackageVerified> = z.object({
  packages: z.array(
    z.object({
      id: z.string(),
      problems: z.array(z.string()),
      frames: z.number(),
      checkedBytes: z.number(),
    }),
  ),
});

export interface PackageCollect {
  readonly storeUrl: string;
  /** How long what nobody needs stays; absent: a day. */
  readonly graceMs?: number | undefined;
  readonly isDryRun: boolean;
}
export const packageCollect: z.ZodType<PackageCollect> = z.strictObject({
  storeUrl,
  graceMs: durationMs.optional(),
  isDryRun: z.boolean().default(false),
});

export interface PackageCollected {
  readonly packages: number;
  readonly packs: number;
  readonly packBytes: number;
  /** With `isDryRun`: what would be. */
  readonly removedPacks: number;
  readonly removedBytes: number;
  /** What nobody needs, and is younger than the grace period. */
  readonly youngPacks: number;
  readonly youngBytes: number;
  readonly removedLeftovers: number;
}
export const packageCollected: z.ZodType<PackageCollected> = z.object({
  packages: z.number(),
  packs: z.number(),
  packBytes: z.number(),
  removedPacks: z.number(),
  removedBytes: z.number(),
  youngPacks: z.number(),
  youngBytes: z.number(),
  removedLeftovers: z.number(),
});

export interface PackagePrune {
  readonly storeUrl: string;
  readonly rule: PruneRule;
  readonly isDryRun: boolean;
}
export const packagePrune: z.ZodType<PackagePrune> = z.strictObject({
  storeUrl,
  rule: pruneRule,
  isDryRun: z.boolean().default(false),
});

export interface PackagePruned {
  readonly packages: readonly {
    readonly id: string;
    readonly vmName: string;
    readonly createdAtUnixMs: number;
    /** What keeps it; empty when it went, or would. */
    readonly keptBy: readonly string[];
  }[];
  /** Ids of damaged packages, which stay. */
  readonly damaged: readonly string[];
  /** What a sweep would now free; null after a dry run. */
  readonly freeableBytes: number | null;
}
export const packagePruned: z.ZodType<PackagePruned> = z.object({
  packages: z.array(
    z.object({
      id: z.string(),
      vmName: z.string(),
      createdAtUnixMs: z.number(),
      keptBy: z.array(z.string()),
    }),
  ),
  damaged: z.array(z.string()),
  freeableBytes: z.number().nullable(),
});

export interface PackageCopy {
  readonly package: string;
  readonly sourceUrl: string;
  readonly targetUrl: string;
  /** Also out of an encrypted store into one that is not. */
  readonly mayDecrypt: boolean;
}
export const packageCopy: z.ZodType<PackageCopy> = z.strictObject({
  package: packageReference,
  sourceUrl: storeUrl,
  targetUrl: storeUrl,
  mayDecrypt: z.boolean().default(false),
});

export interface PackageCopied {
  /** In the target: another one when it was sealed again. */
  readonly packageId: string;
  readonly copiedPacks: number;
  readonly copiedBytes: number;
  /** Packs that the target had already. */
  readonly presentPacks: number;
  /** False for a package that this host cannot open: it was copied as it is. */
  readonly isChecked: boolean;
  /** True between stores with other keys: it was opened here, and sealed for the target's recipients, or for nobody. */
  readonly isResealed: boolean;
  /** Public keys; null when nobody signed, or this host cannot say. */
  readonly wasSignedBy: string | null;
  readonly signedBy: string | null;
  /** Of the target; null when it is not encrypted, and where this host may not know. */
  readonly recipientCount: number | null;
  /** What the target was made, when it was no store before; else null. */
  readonly madeStore: 'encrypted' | 'plain' | null;
}
export const packageCopied: z.ZodType<PackageCopied> = z.object({
  packageId: sha256,
  copiedPacks: z.number(),
  copiedBytes: z.number(),
  presentPacks: z.number(),
  isChecked: z.boolean(),
  isResealed: z.boolean(),
  wasSignedBy: z.string().nullable(),
  signedBy: z.string().nullable(),
  recipientCount: z.int().nullable(),
  madeStore: z.enum(['encrypted', 'plain']).nullable(),
});
