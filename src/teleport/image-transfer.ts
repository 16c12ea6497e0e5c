/**
 * A VM's image travels in its packages, `image.json` and the four files; a store that has them already is not sent them again. A VM that
 * goes on keeps reading its root file system, and what it has read stays in its memory, so the target needs the very same bytes: by digest.
 */
import { collectBytes } from '../base/bytes.ts';
import { KelpieError, isKelpieError } from '../base/errors.ts';
import { exportImage, installImage } from '../image/install-image.ts';
import { findImage, imageByDigest } from '../image/image-store.ts';
import { IMAGE_JSON_BYTES_MAX } from '../image/limits.ts';
import { checkImageVersion } from '../image/version.ts';
import type { Bytes } from '../base/bytes.ts';
import type { ImageInfo } from '../image/image-info.ts';
import type { ImageReference, SnapshotMetadata } from '../snapshot/metadata.ts';
import type { BlobReference, OpenPackage, PackageSource } from '../store/teleport-storage.ts';
import type { OperationOptions } from './source.ts';
import type { TeleportHost } from './teleport-host.ts';

const DESCRIPTION = 'image.json';

/** The files of an image, for whoever publishes a VM that stands on it. @throws KelpieError `image_not_found`, `image_corrupt`. */
export async function imageFilesOf(
  host: TeleportHost,
  image: ImageReference,
): Promise<PackageSource['imageFiles']> {
  const { info, description, fetchFile } = await exportImage(host.env, host.places.home, image.digest);
  const told = {
    name: DESCRIPTION,
    sizeBytes: description.byteLength,
    sha256: host.env.compute.sha256(description),
    bytes: () => once(description),
  };
  const files = info.files.map(({ name, sizeBytes, sha256 }) => ({
    name,
    sizeBytes,
    sha256,
    bytes: () => fetchFile(name),
  }));
  return [told, ...files];
}

/** The chunk is given away, and an image may be asked for twice. */
async function* once(bytes: Bytes): AsyncGenerator<Bytes> {
  yield bytes.slice();
}

/**
 * Sees to it that the image of a package is on this host, fetching it when the package carries it.
 * @throws KelpieError `image_not_found` when it is not to be had, `image_corrupt`, and the store's.
 */
export async function ensureImage(
  host: TeleportHost,
  open: OpenPackage,
  { listener, signal }: OperationOptions,
): Promise<void> {
  const { metadata, imageFiles } = open.package;
  const { image } = metadata.config;
  if (await hasImage(host, image.digest)) return;
  // Refused before by `requireCompatible`, unless the image was removed since.
  if (imageFiles.length === 0) throw missing(image);
  await tellOtherVersion(host, metadata, listener.notice.bind(listener));
  const fetchFile = (name: string): AsyncIterable<Bytes> => {
    requireCarried(imageFiles, name);
    return open.imageFile(name, { signal });
  };
  const tooLarge = (): Error => new KelpieError('image_corrupt', 'the image’s description is too large.');
  const description = await collectBytes(fetchFile(DESCRIPTION), IMAGE_JSON_BYTES_MAX, tooLarge);
  await installImage(
    host.env,
    host.places.home,
    { description, fetchFile },
    {
      digest: image.digest,
      signal,
      onProgress: (doneBytes, totalBytes) => listener.progress('image', image.name, doneBytes, totalBytes),
    },
  );
}

async function hasImage(host: TeleportHost, digest: string): Promise<boolean> {
  try {
    await imageByDigest(host.env, host.places.home, digest);
    return true;
  } catch (error) {
    if (isKelpieError(error, 'image_not_found')) return false;
    throw error;
  }
}

/** What differs from this host's own image of that name, if it has one. */
async function tellOtherVersion(
  host: TeleportHost,
  { config }: SnapshotMetadata,
  notice: (text: string) => void,
): Promise<void> {
  const query = { name: config.image.name, architecture: config.architecture };
  let own: ImageInfo;
  try {
    own = await findImage(host.env, host.places.home, query);
  } catch (error) {
    if (isKelpieError(error, 'image_not_found')) return;
    throw error;
  }
  const compatibility = checkImageVersion({ ...config.image, architecture: config.architecture }, own);
  if (compatibility.kind === 'identical') return;
  notice(compatibility.kind === 'compatible' ? compatibility.notice : compatibility.reason);
}

function missing({ name, version, digest }: ImageReference): KelpieError {
  return new KelpieError(
    'image_not_found',
    `this host has no image ${name} ${version} (${digest.slice(0, 12)}): the package does not carry it: teleport the VM with its image, or build the same image here.`,
  );
}

function requireCarried(files: readonly BlobReference[], name: string): void {
  if (files.some((file) => file.name === name)) return;
  throw new KelpieError('package_corrupt', `the package carries its image without ${name}.`);
}
