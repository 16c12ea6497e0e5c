/** Base images over the API. */
import { z } from 'zod';
import type { Architecture } from '../../snapshot/metadata.ts';
import { architecture } from './fields.ts';

export interface ImageBuild {
  readonly name: string;
  /** Default: the host's. */
  readonly architecture?: Architecture;
}
export const imageBuild: z.ZodType<ImageBuild> = z.strictObject({
  name: z.string().min(1).max(63).default('base'),
  architecture: z.exactOptional(architecture),
});

export interface ImageView {
  readonly name: string;
  readonly version: string;
  readonly digest: string;
  readonly architecture: Architecture;
  readonly sizeBytes: number;
  /** Names of this host's VMs that stand on it. */
  readonly usedBy: readonly string[];
}
export const imageView: z.ZodType<ImageView> = z.object({
  name: z.string(),
  version: z.string(),
  digest: z.string(),
  architecture,
  sizeBytes: z.number(),
  usedBy: z.array(z.string()),
});

export interface ImageList {
  readonly images: readonly ImageView[];
}
export const imageList: z.ZodType<ImageList> = z.object({ images: z.array(imageView) });

export interface ImageBuilt {
  readonly image: ImageView;
}
export const imageBuilt: z.ZodType<ImageBuilt> = z.object({ image: imageView });
