/** The daemon itself over the API: who it is, how it is, what it finds wrong. */
import { z } from 'zod';
import { factsDocument } from '../../snapshot/compatibility/facts-document.ts';
import type { FactsDocument } from '../../snapshot/compatibility/facts-document.ts';
import { storeUrl } from './fields.ts';

export interface VersionView {
  readonly version: string;
  readonly apiVersion: number;
  readonly hostId: string;
  readonly hostName: string;
  readonly pid: number;
}
export const versionView: z.ZodType<VersionView> = z.object({
  version: z.string(),
  apiVersion: z.int(),
  hostId: z.string(),
  hostName: z.string(),
  pid: z.int(),
});

export interface HealthView {
  readonly uptimeMs: number;
  readonly vms: number;
  readonly operations: number;
}
export const healthView: z.ZodType<HealthView> = z.object({
  uptimeMs: z.number(),
  vms: z.int(),
  operations: z.int(),
});

export interface DoctorQuery {
  /** Ask this store too, as `checkStore` does: it is written to, and what was written is removed again. */
  readonly storeUrl?: string;
}
export const doctorQuery: z.ZodType<DoctorQuery> = z.strictObject({ storeUrl: z.exactOptional(storeUrl) });

/** `ok` works; `warning` works with a drawback; `problem` must be repaired before VMs run. */
export type FindingLevel = 'ok' | 'warning' | 'problem';

export interface Finding {
  /** Stable: `backend.qemu`, `image`, `disk-space`, `home`, `leftovers`, `store.put-if-match` … */
  readonly check: string;
  readonly level: FindingLevel;
  /** One sentence: what was found, and what to do when it is not well. */
  readonly text: string;
}

export interface DoctorReport {
  readonly findings: readonly Finding[];
  /** False when any finding is a `problem`. */
  readonly ok: boolean;
  /** What this host tells stores of itself; null after a repair, which did not look. */
  readonly facts: FactsDocument | null;
}
export const doctorReport: z.ZodType<DoctorReport> = z.object({
  findings: z.array(
    z.object({ check: z.string(), level: z.enum(['ok', 'warning', 'problem']), text: z.string() }),
  ),
  ok: z.boolean(),
  facts: factsDocument.nullable(),
});

/** The answer of acts that have nothing to tell. */
export type Done = Readonly<Record<string, never>>;
export const done: z.ZodType<Done> = z.strictObject({});
