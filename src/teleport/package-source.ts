/** A snapshot of this host as what a store publishes. */
import { isKelpieError } from '../base/errors.ts';
import { fileSource } from './file-source.ts';
import { placesIn } from './place-files.ts';
import { packageOf } from './published-as.ts';
import { snapshotPages } from './snapshot-pages.ts';
import type { LocalSnapshot } from '../snapshot/local-snapshots.ts';
import type { PackageSource } from '../store/teleport-storage.ts';
import type { SnapshotPages } from './snapshot-pages.ts';
import type { TeleportHost } from './teleport-host.ts';

export interface PackageParts {
  readonly storeId: string;
  readonly imageFiles: PackageSource['imageFiles'];
  readonly signal: AbortSignal;
}

/** The package of a snapshot. @throws KelpieError `snapshot_corrupt` when its files are not what it says. */
export async function packageSource(
  host: TeleportHost,
  snapshot: LocalSnapshot,
  { storeId, imageFiles, signal }: PackageParts,
): Promise<PackageSource> {
  const before = await snapshotBefore(host, snapshot);
  return {
    metadata: snapshot.metadata,
    deviceState: fileSource(host.env.files, snapshot.deviceStatePath, snapshot.deviceStateBytes),
    ...(await snapshotPages(host, snapshot, signal)),
    base: await basePages(host, (await host.snapshots.aside(snapshot.metadata.vmId)) ?? before, signal),
    parentId: before === null ? null : await packageOf(host.env, before, storeId),
    imageFiles,
    places: placesIn(host, storeId),
  };
}

/** Null when it is not here any more, or cannot be read. */
async function snapshotBefore(
  host: TeleportHost,
  { metadata }: LocalSnapshot,
): Promise<LocalSnapshot | null> {
  if (metadata.parentId === null) return null;
  try {
    return await host.snapshots.read(metadata.vmId, metadata.parentId);
  } catch (error) {
    if (!isKelpieError(error, 'snapshot_not_found', 'snapshot_corrupt', 'package_too_new')) throw error;
    return null;
  }
}

/** Those of the last teleport that failed, or of the snapshot before. Null when they are damaged: then what did not change is sent again. */
async function basePages(
  host: TeleportHost,
  before: LocalSnapshot | null,
  signal: AbortSignal,
): Promise<SnapshotPages | null> {
  if (before === null) return null;
  try {
    return await snapshotPages(host, before, signal);
  } catch (error) {
    if (!isKelpieError(error, 'snapshot_corrupt', 'package_too_new')) throw error;
    const { vmId, snapshotId } = before.metadata;
    host.log.error({ event: 'base-not-used', vmId, snapshotId, err: error });
    return null;
  }
}
