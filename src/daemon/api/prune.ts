/** What is kept of packages or snapshots when the others are removed by their age. */
import { z } from 'zod';
import type { PruneRule } from '../../snapshot/prune-rule.ts';
import { PRUNE_KEEP_MAX } from './limits.ts';
import { snapshotView } from './snapshots.ts';
import type { SnapshotView } from './snapshots.ts';

const count = z.exactOptional(z.int('must be a whole number').min(0).max(PRUNE_KEEP_MAX));

export const pruneRule: z.ZodType<PruneRule> = z.strictObject({
  last: count,
  daily: count,
  weekly: count,
  monthly: count,
  yearly: count,
  withinMs: z.exactOptional(z.int().nonnegative()),
});

export interface SnapshotPrune {
  readonly rule: PruneRule;
  readonly isDryRun: boolean;
}
export const snapshotPrune: z.ZodType<SnapshotPrune> = z.strictObject({
  rule: pruneRule,
  isDryRun: z.boolean().default(false),
});

export interface SnapshotsPruned {
  /** Newest first, checkpoints and others apart. */
  readonly snapshots: readonly PrunedSnapshot[];
  /** Ids of damaged snapshots, which stay. */
  readonly damaged: readonly string[];
  /** What the disk has more of without them, or would. */
  readonly freedBytes: number;
}

export interface PrunedSnapshot extends SnapshotView {
  /** What keeps it; empty when it went, or would. */
  readonly keptBy: readonly string[];
}

export const snapshotsPruned: z.ZodType<SnapshotsPruned> = z.object({
  snapshots: z.array(z.intersection(snapshotView, z.object({ keptBy: z.array(z.string()) }))),
  damaged: z.array(z.string()),
  freedBytes: z.number(),
});
