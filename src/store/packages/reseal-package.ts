/**
 * A package into a store with other keys: opened here, and sealed for whom that store is. It is another package there, with packs of its own and an id
 * of its own, of the same snapshot.
 */
import { ByteReader } from '../../base/byte-reader.ts';
import { canonicalJson } from '../../base/canonical-json.ts';
import { KelpieError } from '../../base/errors.ts';
import { PAGE_BYTES } from '../../base/units.ts';
import { framesOf, pagesOf } from '../../snapshot/blob/frames.ts';
import type { ActOptions } from '../objects/object-store.ts';
import type { PackageWriter, StreamedSource, TeleportPackage, TransferOptions } from '../teleport-storage.ts';
import { PackageCache, listPackages } from './list-packages.ts';
import type { Paged, StoredPackage } from './open-package.ts';
import { StreamedPackage } from './streamed-package.ts';
import type { StreamEnv } from './streamed-package.ts';
import type { UploadStore } from './upload-package.ts';
import { PackageVerifier } from './verify.ts';

/**
 * @param opened read and checked on the way; what is held of it is bounded.
 * @throws KelpieError `package_corrupt`, `package_not_found`, and as `TeleportStorage.upload`.
 */
export async function resealPackage(
  env: StreamEnv,
  opened: StoredPackage,
  target: UploadStore,
  options: TransferOptions = {},
): Promise<TeleportPackage> {
  const writer = await StreamedPackage.begin(env, target, sourceOf(opened, options), options);
  try {
    for await (const bytes of opened.deviceState(actOf(options))) await writer.deviceState(bytes);
    await writePages(writer, opened, 'memory', options);
    await writePages(writer, opened, 'disk', options);
    const sealed = await writer.seal();
    await writer.publish();
    return sealed;
  } catch (error) {
    throw await writer.abandon(error);
  }
}

/** What a store has of the same snapshot already, with nothing missing; null when it has none. */
export async function findSameSnapshot(
  env: StreamEnv,
  target: UploadStore,
  { metadata }: TeleportPackage,
  options: ActOptions,
): Promise<TeleportPackage | null> {
  const wanted = canonicalJson(metadata);
  const verifier = new PackageVerifier(env, target, { ...options, isQuick: true });
  for (const listing of await listPackages(env, target, new PackageCache(), options)) {
    if (listing.damaged || canonicalJson(listing.package.metadata) !== wanted) continue;
    if ((await verifier.verify(listing.package.id)).problems.length === 0) return listing.package;
  }
  return null;
}

function sourceOf(opened: StoredPackage, options: TransferOptions): StreamedSource {
  const { metadata, imageFiles } = opened.package;
  const files = imageFiles.map((file) => ({
    ...file,
    bytes: () => opened.imageFile(file.name, actOf(options)),
  }));
  const image = { digest: metadata.config.image.digest, files };
  return { metadata, deviceStateBytes: opened.deviceStateBytes, image };
}

async function writePages(
  writer: PackageWriter,
  opened: StoredPackage,
  paged: Paged,
  options: TransferOptions,
): Promise<void> {
  const act = actOf(options);
  const runs = (await opened.map(paged, act)).nonZeroRuns();
  const reader = new ByteReader(opened.pages(paged, act), isShort);
  const totalBytes = runs.pages * PAGE_BYTES;
  let doneBytes = 0;
  try {
    for (const frame of framesOf(runs)) {
      const bytes = new Uint8Array(pagesOf(frame) * PAGE_BYTES);
      await reader.readInto(bytes);
      const extents = frame.map(({ firstPage, count }) => ({
        offset: firstPage * PAGE_BYTES,
        length: count * PAGE_BYTES,
      }));
      await writer.pages(paged, { extents, bytes });
      doneBytes += bytes.byteLength;
      options.onProgress?.({ item: paged, doneBytes, totalBytes });
    }
  } finally {
    await reader.close();
  }
}

function isShort(): KelpieError {
  return new KelpieError('package_corrupt', 'the package has fewer pages than its map says.');
}

function actOf({ signal }: TransferOptions): ActOptions {
  return signal === undefined ? {} : { signal };
}
