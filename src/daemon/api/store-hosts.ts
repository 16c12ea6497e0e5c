/** Hosts that a store knows, over the API. */
import { z } from 'zod';
import { factsDocument } from '../../snapshot/compatibility/facts-document.ts';
import type { FactsDocument } from '../../snapshot/compatibility/facts-document.ts';
import { storeUrl } from './fields.ts';

export interface StoreJoin {
  readonly storeUrl: string;
}
export const storeJoin: z.ZodType<StoreJoin> = z.strictObject({ storeUrl });

export interface ToldHost {
  readonly id: string;
  readonly name: string;
  readonly kelpieVersion: string;
  readonly toldAtUnixMs: number;
  readonly facts: FactsDocument;
}
const toldHost = {
  id: z.string(),
  name: z.string(),
  kelpieVersion: z.string(),
  toldAtUnixMs: z.number(),
  facts: factsDocument,
} as const;

export interface StoreHostJoined extends ToldHost {
  readonly storeUrl: string;
}
export const storeHostJoined: z.ZodType<StoreHostJoined> = z.object({ ...toldHost, storeUrl });

export interface StoreHost extends ToldHost {
  readonly isThisHost: boolean;
  /** Public key of whoever signed it; null when nobody did. */
  readonly signedBy: string | null;
}

export interface StoreHosts {
  readonly hosts: readonly StoreHost[];
  /** What cannot be used, each with why. */
  readonly damaged: readonly { readonly id: string; readonly reason: string }[];
}
export const storeHosts: z.ZodType<StoreHosts> = z.object({
  hosts: z.array(z.object({ ...toldHost, isThisHost: z.boolean(), signedBy: z.string().nullable() })),
  damaged: z.array(z.object({ id: z.string(), reason: z.string() })),
});
