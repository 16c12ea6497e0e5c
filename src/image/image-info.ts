/**
 * `image.json`: what an image says about itself.
 *
 * The file is canonical JSON (`canonicalJson`), and the image's digest is the SHA-256 of that text without the
 * `digest` member. Since the description has the SHA-256 of each file, the digest names every byte of the image.
 */
import { z } from 'zod';
import { fromUtf8, utf8 } from '../base/bytes.ts';
import { KelpieError } from '../base/errors.ts';
import { canonicalJson } from '../base/canonical-json.ts';
import { architectures } from '../snapshot/metadata.ts';
import { IMAGE_FILE_BYTES_MAX, IMAGE_JSON_BYTES_MAX, IMAGE_PACKAGES_MAX } from './limits.ts';
import { IMAGE_FILE_NAMES } from './paths.ts';
import type { Bytes } from '../base/bytes.ts';
import type { Compute } from '../env/compute.ts';
import type { Architecture } from '../snapshot/metadata.ts';
import type { ImageFileName } from './paths.ts';

export interface ImageFile {
  readonly name: ImageFileName;
  readonly sizeBytes: number;
  /** Lower-case hexadecimal. */
  readonly sha256: string;
}

export interface ImagePackage {
  readonly name: string;
  readonly version: string;
  /** Debian's word: `amd64`, `arm64`, `all`. */
  readonly architecture: string;
}

export interface ImageInfo {
  readonly formatVersion: 1;
  readonly name: string;
  /** MAJOR.MINOR.PATCH, see `version.ts`. */
  readonly version: string;
  readonly architecture: Architecture;
  readonly digest: string;
  /** `uname -r` of the kernel. */
  readonly kernelVersion: string;
  /** `debian`, `ubuntu`: ID of os-release. */
  readonly distribution: string;
  /** `bookworm`: VERSION_CODENAME of os-release. */
  readonly release: string;
  /** By name. */
  readonly packages: readonly ImagePackage[];
  readonly agent: { readonly version: string; readonly sha256: string };
  readonly rootKind: 'squashfs';
  /** What the image needs on the kernel's command line; a backend adds the console and its own. */
  readonly kernelArguments: readonly string[];
  /** By name, exactly `IMAGE_FILE_NAMES`. */
  readonly files: readonly ImageFile[];
}

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const word = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9.+_~:-]{0,127}$/);

const schema = z.strictObject({
  formatVersion: z.literal(1),
  name: z.string().regex(/^[a-z][a-z0-9-]{0,31}$/),
  version: z.string().regex(/^\d{1,5}\.\d{1,5}\.\d{1,5}$/),
  architecture: z.enum(architectures),
  digest: sha256,
  kernelVersion: word,
  distribution: word,
  release: word,
  packages: z
    .array(z.strictObject({ name: word, version: word, architecture: word }))
    .max(IMAGE_PACKAGES_MAX),
  agent: z.strictObject({ version: word, sha256 }),
  rootKind: z.literal('squashfs'),
  kernelArguments: z.array(z.string().regex(/^[\x21-\x7e]{1,128}$/)).max(64),
  files: z
    .array(
      z.strictObject({
        name: z.enum(IMAGE_FILE_NAMES),
        sizeBytes: z.number().int().min(1).max(IMAGE_FILE_BYTES_MAX),
        sha256,
      }),
    )
    .length(IMAGE_FILE_NAMES.length)
    .refine(
      (files) => IMAGE_FILE_NAMES.every((name, index) => files[index]?.name === name),
      'files are not as they must be',
    ),
});

/** The description with its digest. */
export function sealImageInfo(compute: Pick<Compute, 'sha256'>, info: Omit<ImageInfo, 'digest'>): ImageInfo {
  return { ...info, digest: compute.sha256(utf8(canonicalJson(info))) };
}

/** The bytes of `image.json`. */
export function encodeImageInfo(info: ImageInfo): Bytes {
  return utf8(`${canonicalJson(info)}\n`);
}

/**
 * Reads a description, from this host's disk or from a store: untrusted in both cases.
 * @throws KelpieError `image_corrupt` when it is not one, or its digest is not its own.
 */
export function parseImageInfo(compute: Pick<Compute, 'sha256'>, bytes: Bytes): ImageInfo {
  if (bytes.byteLength > IMAGE_JSON_BYTES_MAX) throw corrupt('it is too large');
  let value: unknown;
  try {
    value = JSON.parse(fromUtf8(bytes));
  } catch (error) {
    throw corrupt('it is not JSON', error);
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw corrupt(parsed.error.issues[0]?.message ?? 'its shape is wrong', parsed.error);
  const { digest, ...rest } = parsed.data;
  const sealed = sealImageInfo(compute, rest);
  if (sealed.digest !== digest) throw corrupt('its digest does not match its contents');
  return sealed;
}

/** The entry of one file. */
export function imageFile(info: ImageInfo, name: ImageFileName): ImageFile {
  const file = info.files.find((candidate) => candidate.name === name);
  if (file === undefined) throw corrupt(`it has no ${name}`);
  return file;
}

function corrupt(why: string, cause?: unknown): KelpieError {
  return new KelpieError(
    'image_corrupt',
    `The image's description is damaged: ${why}; remove the image and build it again.`,
    { cause },
  );
}
