/** A checkpoint of this host as a package of a store. Its VM's ownership record is neither asked nor changed: a package that no record names is a copy. */
import { isKelpieError } from '../base/errors.ts';
import { pageFilePath } from '../snapshot/local-snapshot.ts';
import type { LocalSnapshot } from '../snapshot/local-snapshots.ts';
import { pageCountsOf } from '../snapshot/page-counts.ts';
import { PageMap } from '../snapshot/page-map.ts';
import type { Store } from '../store/open-store.ts';
import type { TeleportPackage } from '../store/teleport-storage.ts';
import { checkpointMap } from './checkpoint-files.ts';
import { fileSource } from './file-source.ts';
import { placesIn } from './place-files.ts';
import { packageOf, rememberPackage } from './published-as.ts';
import type { OperationOptions } from './source.ts';
import type { TeleportHost } from './teleport-host.ts';

/** @throws KelpieError as `TeleportStorage.upload`. */
export async function publishCheckpoint(
  host: TeleportHost,
  { storage }: Store,
  storeId: string,
  snapshot: LocalSnapshot,
  { listener, signal }: OperationOptions,
): Promise<TeleportPackage> {
  const { metadata } = snapshot;
  const pathOf = (id: string): string => pageFilePath(host.places.blobDirectory, id);
  const source = {
    metadata,
    deviceState: fileSource(host.env.files, snapshot.deviceStatePath, snapshot.deviceStateBytes),
    memory: { map: await checkpointMap(host, snapshot), pathOf },
    disk: { map: PageMap.empty(pageCountsOf(metadata).disk), pathOf },
    // What did not change is in the page files of older checkpoints, so nothing needs to be compared.
    base: null,
    parentId: await parentPackage(host, snapshot, storeId),
    // Whoever restores it boots an image of their own, perhaps of another architecture.
    imageFiles: [],
    places: placesIn(host, storeId),
  };
  const published = await storage.upload(source, {
    signal,
    onProgress: ({ item, doneBytes, totalBytes }) =>
      listener.progress('publish', item, doneBytes, totalBytes),
  });
  await rememberPackage(host.env, snapshot.directory, storeId, published.id);
  return published;
}

/** The package of the checkpoint before, where that is known. */
async function parentPackage(
  host: TeleportHost,
  { metadata: { vmId, parentId } }: LocalSnapshot,
  storeId: string,
): Promise<string | null> {
  if (parentId === null) return null;
  try {
    return await packageOf(host.env, await host.snapshots.read(vmId, parentId), storeId);
  } catch (error) {
    if (isKelpieError(error, 'snapshot_not_found', 'snapshot_corrupt', 'package_too_new')) return null;
    throw error;
  }
}
