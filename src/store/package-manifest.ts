/**
 * The manifest of a package: canonical JSON, so that one package has one id. It is untrusted when read, and the id says
 * whether its bytes are the ones that were published.
 */
import { z } from 'zod';
import { equalBytes, utf8 } from '../base/bytes.ts';
import type { Bytes } from '../base/bytes.ts';
import { canonicalJson } from '../base/canonical-json.ts';
import { KelpieError } from '../base/errors.ts';
import type { Compute } from '../env/compute.ts';
import { metadataSchema, parseDocument, sha256Schema } from '../snapshot/metadata-codec.ts';
import { IMAGE_FILES_MAX, MANIFEST_BYTES_MAX, SEGMENT_BYTES_MAX } from './limits.ts';
import type { TeleportPackage } from './teleport-storage.ts';

/** The format that this program writes. */
const MANIFEST_FORMAT_VERSION = 1;

const sizeBytes = z.int().nonnegative().max(SEGMENT_BYTES_MAX);
const segmentSchema = z.strictObject({
  name: z.enum(['device-state', 'memory', 'disk']),
  sizeBytes,
  sha256: sha256Schema,
});
const imageFileSchema = z.strictObject({
  name: z.string().regex(/^[a-z][a-z0-9.-]{0,63}$/),
  sizeBytes,
  sha256: sha256Schema,
});

const namesAreUnique = (parts: readonly { readonly name: string }[]): boolean =>
  new Set(parts.map((part) => part.name)).size === parts.length;

const manifestSchema = z.strictObject({
  formatVersion: z.literal(MANIFEST_FORMAT_VERSION),
  metadata: metadataSchema,
  segments: z.array(segmentSchema).max(3).refine(namesAreUnique, 'a segment is named twice'),
  imageFiles: z
    .array(imageFileSchema)
    .max(IMAGE_FILES_MAX)
    .refine(namesAreUnique, 'an image file is named twice'),
});

/** True for what can be the id of a package, or the digest of a blob; such a string is safe as a file name. */
export function isDigest(text: string): boolean {
  return sha256Schema.safeParse(text).success;
}

/** The manifest's bytes and the id that they give. @throws KelpieError `package_corrupt` for what nobody could read back. */
export function sealManifest(
  compute: Pick<Compute, 'sha256'>,
  contents: Omit<TeleportPackage, 'id'>,
): { readonly id: string; readonly bytes: Bytes } {
  const { metadata, segments, imageFiles } = contents;
  const bytes = utf8(
    canonicalJson({ formatVersion: MANIFEST_FORMAT_VERSION, metadata, segments, imageFiles }),
  );
  const id = compute.sha256(bytes);
  parseManifest(compute, id, bytes);
  return { id, bytes };
}

/** @throws KelpieError `package_corrupt`, also when the bytes are not those of package `id`; `package_too_new`. */
export function parseManifest(compute: Pick<Compute, 'sha256'>, id: string, bytes: Bytes): TeleportPackage {
  if (compute.sha256(bytes) !== id) {
    throw new KelpieError('package_corrupt', `package ${id} cannot be used: its manifest is damaged.`);
  }
  const rules = {
    formatVersion: MANIFEST_FORMAT_VERSION,
    sizeBytesMax: MANIFEST_BYTES_MAX,
    code: 'package_corrupt',
  } as const;
  const manifest = parseDocument(bytes, manifestSchema, { what: `package ${id}`, ...rules });
  if (!equalBytes(bytes, utf8(canonicalJson(manifest)))) {
    throw new KelpieError('package_corrupt', `package ${id} cannot be used: its manifest is not canonical.`);
  }
  const { metadata, segments, imageFiles } = manifest;
  return { id, metadata, segments, imageFiles };
}
