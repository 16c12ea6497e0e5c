/**
 * A VM's image travels beside its packages, as blobs that all packages of a store share: `image.json` and the four files. A VM that
 * goes on keeps reading its root file system, and what it has read stays in its memory, so the target needs the very same bytes: by digest.
 */
import { concat } from '../base/bytes.ts';
import { KelpieError, isKelpieError } from '../base/errors.ts';
import { exportImage, installImage } from '../image/install-image.ts';
import { findImage, imageByDigest } from '../image/image-store.ts';
import { IMAGE_JSON_BYTES_MAX } from '../image/limits.ts';
import { checkImageVersion } from '../image/version.ts';
import type { Bytes } from '../base/bytes.ts';
import type { ImageReference, SnapshotMetadata } from '../snapshot/metadata.ts';
import type {
  BlobReference,
  TeleportPackage,
  TeleportStorage,
  TransferOptions,
} from '../store/teleport-storage.ts';
import type { OperationOptions } from './source.ts';
import type { TeleportHost } from './teleport-host.ts';

const DESCRIPTION = 'image.json';

/** Sends what the store does not have yet, and says what a package refers to. @throws KelpieError as `uploadBlob`. */
export async function publishImageFiles(
  host: TeleportHost,
  storage: TeleportStorage,
  image: ImageReference,
  options: TransferOptions,
): Promise<readonly BlobReference[]> {
  const { info, description, fetchFile } = await exportImage(host.env, host.places.home, image.digest);
  const told: BlobReference = {
    name: DESCRIPTION,
    sizeBytes: description.byteLength,
    sha256: host.env.compute.sha256(description),
  };
  await storage.uploadBlob(told, () => once(description), options);
  for (const file of info.files) await storage.uploadBlob(file, () => fetchFile(file.name), options);
  return [told, ...info.files.map(({ name, sizeBytes, sha256 }) => ({ name, sizeBytes, sha256 }))];
}

async function* once(bytes: Bytes): AsyncGenerator<Bytes> {
  yield bytes;
}

/**
 * Sees to it that the image of a package is on this host, fetching it when the package carries it.
 * @throws KelpieError `image_not_found`, `image_incompatible` when it is not to be had, `image_corrupt`, and the store's.
 */
export async function ensureImage(
  host: TeleportHost,
  storage: TeleportStorage,
  published: TeleportPackage,
  { listener, signal }: OperationOptions,
): Promise<void> {
  const { metadata, imageFiles } = published;
  await tellOtherVersion(host, metadata, imageFiles.length > 0, listener.notice.bind(listener));
  if (await hasImage(host, metadata.config.image.digest)) return;
  const description = await collect(storage.downloadBlob(blobNamed(imageFiles, DESCRIPTION), { signal }));
  await installImage(
    host.env,
    host.places.home,
    { description, fetchFile: (name) => storage.downloadBlob(blobNamed(imageFiles, name), { signal }) },
    {
      digest: metadata.config.image.digest,
      signal,
      onProgress: (doneBytes, totalBytes) =>
        listener.progress('image', metadata.config.image.name, doneBytes, totalBytes),
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

/** What differs from this host's own image of that name; with the exact image neither here nor in the store that is why it cannot be restored. */
async function tellOtherVersion(
  host: TeleportHost,
  { config }: SnapshotMetadata,
  isCarried: boolean,
  notice: (text: string) => void,
): Promise<void> {
  if (await hasImage(host, config.image.digest)) return;
  const query = { name: config.image.name, architecture: config.architecture };
  let compatibility;
  try {
    compatibility = checkImageVersion(
      { ...config.image, architecture: config.architecture },
      await findImage(host.env, host.places.home, query),
    );
  } catch (error) {
    if (!isKelpieError(error, 'image_not_found')) throw error;
    if (isCarried) return;
    throw missing(
      config.image,
      'the package does not carry it: teleport the VM with its image, or build the same image here',
    );
  }
  if (compatibility.kind === 'identical') return;
  const difference = compatibility.kind === 'compatible' ? compatibility.notice : compatibility.reason;
  if (isCarried) return notice(difference);
  if (compatibility.kind === 'compatible')
    throw missing(config.image, `${difference} A running VM needs the very same bytes`);
  throw new KelpieError('image_incompatible', `cannot restore "${config.name}" here: ${difference}.`);
}

function missing(image: ImageReference, why: string): KelpieError {
  return new KelpieError(
    'image_not_found',
    `this host has no image ${image.name} ${image.version} (${image.digest.slice(0, 12)}): ${why}.`,
  );
}

function blobNamed(blobs: readonly BlobReference[], name: string): BlobReference {
  const found = blobs.find((blob) => blob.name === name);
  if (found !== undefined) return found;
  throw new KelpieError('package_corrupt', `the package carries its image without ${name}.`);
}

async function collect(chunks: AsyncIterable<Bytes>): Promise<Bytes> {
  const parts: Bytes[] = [];
  let length = 0;
  for await (const part of chunks) {
    length += part.byteLength;
    if (length > IMAGE_JSON_BYTES_MAX)
      throw new KelpieError('image_corrupt', 'the image’s description is too large.');
    parts.push(part);
  }
  return concat(parts);
}
