/** Packages of a store over the API. */
import { z } from 'zod';
import { metadataView } from './metadata-view.ts';
import { hostReference, storeUrl } from './fields.ts';
import type { MetadataView } from './metadata-view.ts';

export interface StoreQuery {
  readonly storeUrl: string;
}
export const storeQuery: z.ZodType<StoreQuery> = z.strictObject({ storeUrl });

export interface PackageQuery extends StoreQuery {
  /** Whether this host that the store knows can run it, in the place of the one that is asked. */
  readonly forHost?: string;
}
export const packageQuery: z.ZodType<PackageQuery> = z.strictObject({
  storeUrl,
  forHost: z.exactOptional(hostReference),
});

export interface PackageRemoveQuery extends StoreQuery {
  /** Also when a VM is at rest in it: that VM is then gone for good. */
  readonly force: boolean;
}
export const packageRemoveQuery: z.ZodType<PackageRemoveQuery> = z.strictObject({
  storeUrl,
  force: z.stringbool().default(false),
});

export interface SizesView {
  /** What is not zero in the memory and on the disk. */
  readonly memoryBytes: number;
  readonly diskBytes: number;
  /** What the package brought to the store, and what of older packages it needs; compressed. */
  readonly ownBytes: number;
  readonly sharedBytes: number;
}
const sizesView: z.ZodType<SizesView> = z.object({
  memoryBytes: z.number(),
  diskBytes: z.number(),
  ownBytes: z.number(),
  sharedBytes: z.number(),
});

export interface PackageView {
  readonly id: string;
  /** Why it cannot be read; null when it can. The rest is null then. */
  readonly damaged: string | null;
  readonly sizes: SizesView | null;
  readonly publishedAtUnixMs: number | null;
  readonly metadata: MetadataView | null;
  /** The VM of it is at rest exactly here: this package is the VM. */
  readonly isAtRest: boolean;
  /** Public key of whoever signed it; null when nobody did. */
  readonly signedBy: string | null;
}
export const packageView: z.ZodType<PackageView> = z.object({
  id: z.string(),
  damaged: z.string().nullable(),
  sizes: sizesView.nullable(),
  publishedAtUnixMs: z.number().nullable(),
  metadata: metadataView.nullable(),
  isAtRest: z.boolean(),
  signedBy: z.string().nullable(),
});

export interface SealView {
  readonly isEncrypted: boolean;
  /** How many can read it; null when it is not encrypted, and where this host may not know. */
  readonly recipientCount: number | null;
}

export interface PackageList extends SealView {
  readonly packages: readonly PackageView[];
}
export const packageList: z.ZodType<PackageList> = z.object({
  packages: z.array(packageView),
  isEncrypted: z.boolean(),
  recipientCount: z.int().nullable(),
});

const piece = z.object({ name: z.string(), sizeBytes: z.number(), sha256: z.string() });
type Piece = { readonly name: string; readonly sizeBytes: number; readonly sha256: string };

export interface PagedLayoutView {
  /** Pages that are not zero, and in how many pieces of the store's frames they lie. */
  readonly pages: number;
  readonly runs: number;
  readonly frames: number;
  /** What a restore asks the store for, and gets: stored bytes. */
  readonly requests: number;
  readonly fetchedBytes: number;
  /** What the frames hold; of it, 4096 bytes for each page are used. */
  readonly rawBytes: number;
}
const pagedLayoutView: z.ZodType<PagedLayoutView> = z.object({
  pages: z.number(),
  runs: z.number(),
  frames: z.number(),
  requests: z.number(),
  fetchedBytes: z.number(),
  rawBytes: z.number(),
});

export interface LayoutView {
  readonly packs: number;
  readonly ownPacks: number;
  readonly memory: PagedLayoutView;
  readonly disk: PagedLayoutView;
}
const layoutView: z.ZodType<LayoutView> = z.object({
  packs: z.number(),
  ownPacks: z.number(),
  memory: pagedLayoutView,
  disk: pagedLayoutView,
});

export interface PackageDetail extends PackageView, SealView {
  /** Why the host cannot run it, each a sentence and what would work instead; empty: it can. */
  readonly reasons: readonly string[];
  /** When it can: what differs all the same, such as an older VMM. */
  readonly notices: readonly string[];
  /** The host that this was looked at for, and when it said what it is; null for the one that was asked. */
  readonly forHost: { readonly id: string; readonly name: string; readonly toldAtUnixMs: number } | null;
  /** How it lies in the store. */
  readonly layout: LayoutView;
  /** The package that most of the shared bytes came with. */
  readonly parentId: string | null;
  readonly imageFiles: readonly Piece[];
  /** The record of its VM in the store; null when there is none. */
  readonly ownership: {
    readonly state: string;
    readonly epoch: number;
    readonly owner: string | null;
    readonly hostName: string;
  } | null;
}
export const packageDetail: z.ZodType<PackageDetail> = z.object({
  id: z.string(),
  damaged: z.string().nullable(),
  sizes: sizesView.nullable(),
  publishedAtUnixMs: z.number().nullable(),
  metadata: metadataView.nullable(),
  isAtRest: z.boolean(),
  reasons: z.array(z.string()),
  notices: z.array(z.string()),
  forHost: z.object({ id: z.string(), name: z.string(), toldAtUnixMs: z.number() }).nullable(),
  layout: layoutView,
  parentId: z.string().nullable(),
  isEncrypted: z.boolean(),
  recipientCount: z.int().nullable(),
  signedBy: z.string().nullable(),
  imageFiles: z.array(piece),
  ownership: z
    .object({ state: z.string(), epoch: z.int(), owner: z.string().nullable(), hostName: z.string() })
    .nullable(),
});
