/**
 * The images of a host: list, find, check, remove. An image is a folder named by its digest with `image.json` and four
 * files; it never changes, so whoever has its digest may read its files without asking again.
 */
import { KelpieError } from '../base/errors.ts';
import { uniqueBeginning } from '../base/unique-beginning.ts';
import { listIfThere } from '../env/list-if-there.ts';
import { statIfThere } from '../env/stat-if-there.ts';
import { isSystemError } from '../env/system-error.ts';
import { hashFile } from './hash-file.ts';
import { imageFile, parseImageInfo } from './image-info.ts';
import { IMAGE_JSON_BYTES_MAX, IMAGES_MAX } from './limits.ts';
import { IMAGE_FILE_NAMES, imagePaths, imagesDirectory, isDigest } from './paths.ts';
import { withStaging } from './staging.ts';
import { compareImageVersions } from './version.ts';
import type { Env } from '../env/env.ts';
import type { Architecture } from '../snapshot/metadata.ts';
import type { ImageInfo } from './image-info.ts';

/** What is taken for the beginning of a digest, and never for a name. */
const digestStart = /^[0-9a-f]{12,64}$/;

export interface ImageList {
  /** By name, newest version first; of one version, the one that came last to this host first. */
  readonly images: readonly ImageInfo[];
  /** Folders that are named like an image and are none. */
  readonly damaged: readonly { readonly digest: string; readonly reason: string }[];
}

export interface ImageQuery {
  readonly name: string;
  readonly architecture: Architecture;
  /** `1.0.2`, or `1.0` for the newest of it; absent: the newest. */
  readonly version?: string;
}

/** Every image of this host. Only descriptions and file sizes are looked at; `verifyImage` reads the bytes. */
export async function listImages(env: Env, home: string): Promise<ImageList> {
  const found: { info: ImageInfo; arrivedMs: number }[] = [];
  const damaged: { digest: string; reason: string }[] = [];
  const digests = (await listIfThere(env.files, imagesDirectory(home))).filter(isDigest);
  for (const digest of digests.slice(0, IMAGES_MAX)) {
    try {
      const info = await imageByDigest(env, home, digest);
      found.push({
        info,
        arrivedMs: (await env.files.stat(imagePaths(home, digest).description)).modifiedMs,
      });
    } catch (error) {
      if (isSystemError(error, 'ENOENT')) continue; // it was removed meanwhile
      if (!(error instanceof KelpieError)) throw error;
      if (error.code === 'image_corrupt') damaged.push({ digest, reason: error.message });
      else if (error.code !== 'image_not_found') throw error;
    }
  }
  const images = found.toSorted((a, b) => {
    const byName = a.info.name < b.info.name ? -1 : a.info.name > b.info.name ? 1 : 0;
    return byName || compareImageVersions(b.info.version, a.info.version) || b.arrivedMs - a.arrivedMs;
  });
  return { images: images.map(({ info }) => info), damaged };
}

/** The best image for a query. @throws KelpieError `image_not_found`, which says how to get one. */
export async function findImage(env: Env, home: string, query: ImageQuery): Promise<ImageInfo> {
  const { images } = await listImages(env, home);
  const { version } = query;
  const found = images.find((image) => {
    const isVersion =
      version === undefined || image.version === version || image.version.startsWith(`${version}.`);
    return image.name === query.name && image.architecture === query.architecture && isVersion;
  });
  if (found !== undefined) return found;
  const wanted = version === undefined ? query.name : `${query.name} ${version}`;
  throw new KelpieError(
    'image_not_found',
    `This host has no image ${wanted} for ${query.architecture}; "kelpie image build ${query.name} --arch ${query.architecture}" builds it.`,
  );
}

/**
 * The image that a person means by a name, `NAME@VERSION`, a digest, or the beginning of one.
 * @throws KelpieError `image_not_found`; `invalid_argument` when a beginning fits several.
 */
export async function resolveImage(
  env: Env,
  home: string,
  reference: string,
  architecture: Architecture,
): Promise<ImageInfo> {
  if (!digestStart.test(reference)) {
    const [name = '', version] = reference.split('@', 2);
    return await findImage(env, home, { name, architecture, ...(version === undefined ? {} : { version }) });
  }
  const { images } = await listImages(env, home);
  const only = uniqueBeginning(images, ({ digest }) => digest, reference, 'images');
  if (only === null) throw notFound(reference);
  return only;
}

/** @throws KelpieError `image_not_found`; `image_corrupt` when its description or the size of a file is wrong. */
export async function imageByDigest(env: Env, home: string, digest: string): Promise<ImageInfo> {
  if (!isDigest(digest)) throw notFound(digest);
  const paths = imagePaths(home, digest);
  let info: ImageInfo;
  try {
    info = parseImageInfo(env.compute, await env.files.readFile(paths.description, IMAGE_JSON_BYTES_MAX));
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) throw notFound(digest);
    throw error;
  }
  if (info.digest !== digest) throw corrupt(digest, 'it is another image than its folder says');
  for (const name of IMAGE_FILE_NAMES) {
    const stat = await statIfThere(env.files, `${paths.directory}/${name}`);
    if (stat?.sizeBytes !== imageFile(info, name).sizeBytes)
      throw corrupt(digest, `${name} does not have its size`);
  }
  return info;
}

/** Reads every byte. @throws KelpieError `image_not_found`, `image_corrupt`; the signal's reason. */
export async function verifyImage(
  env: Env,
  home: string,
  digest: string,
  signal?: AbortSignal,
): Promise<ImageInfo> {
  const info = await imageByDigest(env, home, digest);
  for (const name of IMAGE_FILE_NAMES) {
    const { sha256 } = await hashFile(env, `${imagePaths(home, digest).directory}/${name}`, signal);
    if (sha256 !== imageFile(info, name).sha256) throw corrupt(digest, `${name} has changed`);
  }
  return info;
}

/**
 * Removes one image by its digest, whole or damaged. Whether a VM or snapshot needs it is the caller's to know
 * (`image_in_use`). It is gone at once or not at all. @throws KelpieError `image_not_found`
 */
export async function removeImage(env: Env, home: string, digest: string): Promise<void> {
  if (!isDigest(digest)) throw notFound(digest);
  await withStaging(env, home, async (staged) => {
    try {
      await env.files.rename(imagePaths(home, digest).directory, `${staged.directory}/removed`);
    } catch (error) {
      if (isSystemError(error, 'ENOENT')) throw notFound(digest);
      throw error;
    }
    await env.files.syncDirectory(imagesDirectory(home));
  });
}

function notFound(digest: string): KelpieError {
  return new KelpieError(
    'image_not_found',
    `This host has no image ${digest}; kelpie image ls shows those it has.`,
  );
}

function corrupt(digest: string, why: string): KelpieError {
  return new KelpieError(
    'image_corrupt',
    `The image ${digest} is damaged: ${why}; remove it and build it again.`,
  );
}
