/** What a manifest says of its snapshot: in the clear in a plain store, sealed in an encrypted one. */
import { z } from 'zod';
import { KelpieError } from '../../base/errors.ts';
import type { SnapshotMetadata } from '../../snapshot/metadata.ts';
import { metadataSchema, reasonOf, sha256Schema } from '../../snapshot/metadata-codec.ts';
import { IMAGE_FILES_MAX, SEGMENT_BYTES_MAX } from '../limits.ts';
import type { PackageSizes } from '../teleport-storage.ts';
import { packText } from './pack-name.ts';
import type { PackName } from './pack-name.ts';
import { streamJson, streamOf, streamSchema } from './stored-stream.ts';
import type { StreamJson, StreamReference } from './stored-stream.ts';

/** A file of the VM's image; its size and digest are those of its stream. */
export interface PackagedFile {
  readonly name: string;
  readonly stream: StreamReference;
}

export interface PackageBody {
  readonly metadata: SnapshotMetadata;
  readonly parentId: string | null;
  readonly sizes: PackageSizes;
  readonly deviceState: StreamReference;
  /** Streams of encoded `StoreMap`s. */
  readonly memoryMap: StreamReference;
  readonly diskMap: StreamReference;
  readonly imageFiles: readonly PackagedFile[];
}

export interface PackagedFileJson {
  readonly name: string;
  readonly stream: StreamJson;
}

interface BodyJson {
  readonly metadata: SnapshotMetadata;
  readonly parentId: string | null;
  readonly sizes: PackageSizes;
  readonly deviceState: StreamJson;
  readonly memoryMap: StreamJson;
  readonly diskMap: StreamJson;
  readonly imageFiles: readonly PackagedFileJson[];
}

const sizeBytes = z.int().nonnegative().max(SEGMENT_BYTES_MAX);

/** Names are parts of paths where image files are written. */
export const packagedFilesSchema: z.ZodType<readonly PackagedFileJson[]> = z
  .array(z.strictObject({ name: z.string().regex(/^[a-z][a-z0-9.-]{0,63}$/), stream: streamSchema }))
  .max(IMAGE_FILES_MAX)
  .refine(
    (files) => new Set(files.map(({ name }) => name)).size === files.length,
    'an image file is named twice',
  );

const bodySchema: z.ZodType<BodyJson> = z.strictObject({
  deviceState: streamSchema,
  diskMap: streamSchema,
  imageFiles: packagedFilesSchema,
  memoryMap: streamSchema,
  metadata: metadataSchema,
  parentId: sha256Schema.nullable(),
  sizes: z.strictObject({
    memoryBytes: sizeBytes,
    diskBytes: sizeBytes,
    ownBytes: sizeBytes,
    sharedBytes: sizeBytes,
  }),
});

/** @param packs those of the envelope, which are all that the body refers to. */
export function bodyJson(body: PackageBody, packs: readonly PackName[]): BodyJson {
  const { metadata, parentId, sizes } = body;
  const indexes = indexesOf(packs);
  return {
    metadata,
    parentId,
    sizes,
    deviceState: streamJson(body.deviceState, indexes),
    memoryMap: streamJson(body.memoryMap, indexes),
    diskMap: streamJson(body.diskMap, indexes),
    imageFiles: filesJson(body.imageFiles, indexes),
  };
}

export function filesJson(
  files: readonly PackagedFile[],
  packs: ReadonlyMap<string, number>,
): readonly PackagedFileJson[] {
  return files.map(({ name, stream }) => ({ name, stream: streamJson(stream, packs) }));
}

/** The reverse. @throws KelpieError `package_corrupt`. */
export function filesOf(
  files: readonly PackagedFileJson[],
  packs: readonly PackName[],
): readonly PackagedFile[] {
  return files.map(({ name, stream }) => ({ name, stream: streamOf(stream, packs) }));
}

/** The index of each pack by its text. */
export function indexesOf(packs: readonly PackName[]): ReadonlyMap<string, number> {
  return new Map(packs.map((pack, index) => [packText(pack), index]));
}

/** @param what the package, for the sentence. @throws KelpieError `package_corrupt`. */
export function parseBody(value: unknown, packs: readonly PackName[], what: string): PackageBody {
  const parsed = bodySchema.safeParse(value);
  if (!parsed.success) {
    throw new KelpieError('package_corrupt', `${what} cannot be used: ${reasonOf(parsed.error)}.`);
  }
  const { metadata, parentId, sizes, imageFiles } = parsed.data;
  return {
    metadata,
    parentId,
    sizes,
    deviceState: streamOf(parsed.data.deviceState, packs),
    memoryMap: streamOf(parsed.data.memoryMap, packs),
    diskMap: streamOf(parsed.data.diskMap, packs),
    imageFiles: filesOf(imageFiles, packs),
  };
}
