import { KelpieError } from '../base/errors.ts';
import { isUuid } from '../base/uuid.ts';
import type { Env } from '../env/env.ts';
import { listIfThere } from '../env/list-if-there.ts';
import { attemptLocally } from './local-failure.ts';
import type { DiskLayer, MemoryImage } from './local-snapshot.ts';
import { LocalSnapshots } from './local-snapshots.ts';

/** What a VM, or an operation under way, uses of the blobs. */
export interface BlobUse {
  readonly memory: Pick<MemoryImage, 'pageFiles' | 'mappable'> | null;
  readonly disk: readonly DiskLayer[];
}

/** The ids of what is used. */
export function* blobsOf({ memory, disk }: BlobUse): Generator<string, void> {
  for (const { id } of disk) yield id;
  if (memory === null) return;
  yield* memory.pageFiles;
  if (memory.mappable !== null) yield memory.mappable;
}

/** A blob, or the unfinished part of one. */
export const blobPattern: RegExp = /^(?<id>[0-9a-f-]{36})\.(?:pages|raw|qcow2)(?:\.part)?$/;
/** What is known of a blob in a store (`teleport/place-files.ts`), or the unfinished part of it. */
const placesPattern = /^(?<id>[0-9a-f-]{36})\.map(?:\.new)?$/;

interface Removed {
  removed: number;
  removedBytes: number;
}

/**
 * Removes the blobs that no complete snapshot of this host and none of `roots` names, and what is written down about
 * them. Files that do not look like that are left alone. No snapshot or restore may be under way whose new blobs are not among the roots.
 * @param home absolute path of `KELPIE_HOME`.
 * @throws KelpieError `snapshot_corrupt` when a snapshot cannot be read: then it is not known what it needs, and nothing is removed.
 */
export async function collectBlobs(
  env: Pick<Env, 'files'>,
  home: string,
  roots: Iterable<BlobUse>,
): Promise<{ readonly removed: number; readonly removedBytes: number }> {
  return await attemptLocally('clean up', async () => {
    // Listed before the marks are made: what is made in between is not in the list.
    const blobs = await listIfThere(env.files, `${home}/blobs`);
    const used = await markUsed(env, home, roots);
    const total: Removed = { removed: 0, removedBytes: 0 };
    await removeUnused(env, `${home}/blobs`, selectUnused(blobs, blobPattern, used), total);
    // No transfer is under way, so each list of places is as old as the marks.
    for (const store of (await listIfThere(env.files, `${home}/places`)).filter(isUuid)) {
      const directory = `${home}/places/${store}`;
      const places = await listIfThere(env.files, directory);
      const unused = selectUnused(places, placesPattern, used);
      if (unused.length < places.length) await removeUnused(env, directory, unused, total);
      else await removeUnused(env, `${home}/places`, [store], total);
    }
    return total;
  });
}

function selectUnused(
  names: readonly string[],
  pattern: RegExp,
  used: ReadonlySet<string>,
): readonly string[] {
  return names.filter((name) => {
    const id = pattern.exec(name)?.groups?.['id'];
    return id !== undefined && isUuid(id) && !used.has(id);
  });
}

async function removeUnused(
  env: Pick<Env, 'files'>,
  directory: string,
  names: readonly string[],
  total: Removed,
): Promise<void> {
  for (const name of names) {
    const path = `${directory}/${name}`;
    const { allocatedBytes } = await env.files.stat(path);
    await env.files.removeTree(path);
    total.removed += 1;
    total.removedBytes += allocatedBytes;
  }
}

async function markUsed(
  env: Pick<Env, 'files'>,
  home: string,
  roots: Iterable<BlobUse>,
): Promise<ReadonlySet<string>> {
  const used = new Set<string>();
  const mark = (use: BlobUse): void => {
    for (const id of blobsOf(use)) used.add(id);
  };
  for (const root of roots) mark(root);
  const snapshots = new LocalSnapshots(env, home);
  for (const vmId of await listIfThere(env.files, `${home}/vms`)) {
    for (const listing of await snapshots.list(vmId)) {
      if (listing.damaged)
        throw new KelpieError(
          'snapshot_corrupt',
          `cannot clean up before snapshot ${listing.id} is deleted: ${listing.reason}`,
        );
      mark(listing.snapshot);
    }
    const aside = await snapshots.aside(vmId);
    if (aside !== null) mark(aside);
  }
  return used;
}
