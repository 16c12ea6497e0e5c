/**
 * `images/DIGEST`: where the files of an image lie in the store, so that they are sent once. A hint: whoever uses it looks whether the packs are
 * still there. What it says of their frames goes into packages as it is, so it carries a digest of itself: one that was damaged on its way would
 * make packages whose image nobody can read.
 */
import { z } from 'zod';
import { utf8 } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import { canonicalJson } from '../../base/canonical-json.ts';
import { KelpieError, isKelpieError } from '../../base/errors.ts';
import type { PureCompute } from '../../env/compute.ts';
import { parseDocument } from '../../snapshot/metadata-codec.ts';
import type { ActOptions, ObjectStore } from '../objects/object-store.ts';
import type { ImageSource, PackageSource } from '../teleport-storage.ts';
import { MANIFEST_BYTES_MAX, PACKS_MAX } from './limits.ts';
import { filesJson, filesOf, indexesOf, packagedFilesSchema } from './manifest-body.ts';
import type { PackagedFile } from './manifest-body.ts';
import { packText, parsePackText } from './pack-name.ts';
import type { PackName } from './pack-name.ts';
import { openPart, sealPart, sealedPartSchema } from './sealed-part.ts';
import type { DocumentSealer } from './sealing.ts';

/** Format 1 had no digest. */
const FORMAT_VERSION = 2;

export interface ImageHint {
  readonly files: readonly PackagedFile[];
  /** Every pack that the files need. */
  readonly packs: readonly PackName[];
}

const hintSchema = z.strictObject({
  ...sealedPartSchema,
  formatVersion: z.literal(FORMAT_VERSION),
  packs: z.array(z.string()).max(PACKS_MAX),
  sha256: z.string(),
});

type HintCompute = Pick<PureCompute, 'sha256'>;

/** @param digest of the image. */
export function imageHintKey(digest: string): string {
  return `images/${digest}`;
}

export function encodeImageHint(
  compute: HintCompute,
  sealer: DocumentSealer,
  digest: string,
  { files, packs }: ImageHint,
): Bytes {
  const clear = { formatVersion: FORMAT_VERSION, packs: packs.map(packText) };
  const body = filesJson(files, indexesOf(packs));
  const hint = { ...clear, ...sealPart(sealer, body, boundOf(digest, clear.packs)) };
  return utf8(canonicalJson({ ...hint, sha256: compute.sha256(utf8(canonicalJson(hint))) }));
}

/** The hint in bytes that are not trusted. @throws KelpieError `package_corrupt`, `package_too_new`, `permission_denied`. */
export function parseImageHint(
  compute: HintCompute,
  sealer: DocumentSealer,
  digest: string,
  bytes: Bytes,
): ImageHint {
  const what = `what the store knows of image ${digest}`;
  const rules = {
    formatVersion: FORMAT_VERSION,
    sizeBytesMax: MANIFEST_BYTES_MAX,
    code: 'package_corrupt',
  } as const;
  const { sha256, ...hint } = parseDocument(bytes, hintSchema, { what, ...rules });
  const packs = hint.packs.flatMap((text) => parsePackText(text) ?? []);
  const isWhole = compute.sha256(utf8(canonicalJson(hint))) === sha256 && packs.length === hint.packs.length;
  if (!isWhole) throw corrupt(what);
  const body = packagedFilesSchema.safeParse(openPart(sealer, hint, boundOf(digest, hint.packs), what));
  if (!body.success) throw corrupt(what);
  return { files: filesOf(body.data, packs), packs };
}

function corrupt(what: string): KelpieError {
  return new KelpieError('package_corrupt', `${what} cannot be used: it is not what it should be.`);
}

function boundOf(digest: string, packs: readonly string[]): Bytes {
  return utf8(canonicalJson({ digest, formatVersion: FORMAT_VERSION, packs }));
}

/** What the packs of a hint take in the store; null when some of them are gone. @param kept lengths of the packs that are there, as `packText` has them. */
export function hintedBytes({ packs }: ImageHint, kept: ReadonlyMap<string, number>): number | null {
  let bytes = 0;
  for (const pack of packs) {
    const length = kept.get(packText(pack));
    if (length === undefined) return null;
    bytes += length;
  }
  return bytes;
}

export interface HintedStore {
  readonly objects: Pick<ObjectStore, 'get'>;
  readonly sealing: DocumentSealer;
}

/** Where the files of an image lie, as far as the store says. A hint that cannot be used is as good as none. */
export async function readImageHint(
  compute: HintCompute,
  { objects, sealing }: HintedStore,
  { digest, files }: ImageSource,
  options: ActOptions,
): Promise<ImageHint | null> {
  if (files.length === 0) return null;
  const object = await objects.get(imageHintKey(digest), options);
  if (object === null) return null;
  try {
    const hint = parseImageHint(compute, sealing, digest, object.bytes);
    const found = files.flatMap(({ name, sizeBytes, sha256 }) => {
      const isIt = ({ name: hinted, stream }: PackagedFile): boolean =>
        hinted === name && stream.sizeBytes === sizeBytes && stream.sha256 === sha256;
      return hint.files.find(isIt) ?? [];
    });
    return found.length === files.length ? { files: found, packs: hint.packs } : null;
  } catch (error) {
    if (isKelpieError(error, 'package_corrupt', 'package_too_new', 'permission_denied')) return null;
    throw error;
  }
}

/** The image of a package that is to be published. */
export function imageOf({ imageFiles, metadata }: PackageSource): ImageSource {
  return { digest: metadata.config.image.digest, files: imageFiles };
}
