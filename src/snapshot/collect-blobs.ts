import { KelpieError } from '../base/errors.ts';
import { isUuid } from '../base/uuid.ts';
import type { Env } from '../env/env.ts';
import { isSystemError } from '../env/system-error.ts';
import { attemptLocally } from './local-failure.ts';
import type { DiskLayer, MemoryImage } from './local-snapshot.ts';
import { LocalSnapshots } from './local-snapshots.ts';

/** What a VM, or an operation under way, uses of the blobs. */
export interface BlobUse {
  readonly memory: Pick<MemoryImage, 'pageFiles' | 'mappable'> | null;
  readonly disk: readonly DiskLayer[];
}

/** A blob, or the unfinished part of one. */
const blobPattern = /^(?<id>[0-9a-f-]{36})\.(?:pages|raw|qcow2)(?:\.part)?$/;

/**
 * Removes the blobs that no complete snapshot of this host and none of `roots` names. Files that do not look like blobs
 * are left alone. No snapshot or restore may be under way whose new blobs are not among the roots.
 * @param home absolute path of `KELPIE_HOME`.
 * @throws KelpieError `snapshot_corrupt` when a snapshot cannot be read: then it is not known what it needs, and nothing is removed.
 */
export async function collectBlobs(
  env: Pick<Env, 'files'>,
  home: string,
  roots: Iterable<BlobUse>,
): Promise<{ readonly removed: number; readonly removedBytes: number }> {
  const directory = `${home}/blobs`;
  return await attemptLocally('clean up', async () => {
    // Listed before the marks are made: what is made in between is not in the list.
    const names = await listIfThere(env, directory);
    const used = await markUsed(env, home, roots);
    const total = { removed: 0, removedBytes: 0 };
    for (const name of names) {
      const id = blobPattern.exec(name)?.groups?.['id'];
      if (id === undefined || !isUuid(id) || used.has(id)) continue;
      const path = `${directory}/${name}`;
      const { allocatedBytes } = await env.files.stat(path);
      await env.files.removeTree(path);
      total.removed += 1;
      total.removedBytes += allocatedBytes;
    }
    return total;
  });
}

async function markUsed(
  env: Pick<Env, 'files'>,
  home: string,
  roots: Iterable<BlobUse>,
): Promise<ReadonlySet<string>> {
  const used = new Set<string>();
  const mark = ({ memory, disk }: BlobUse): void => {
    for (const { id } of disk) used.add(id);
    if (memory === null) return;
    for (const id of memory.pageFiles) used.add(id);
    if (memory.mappable !== null) used.add(memory.mappable);
  };
  for (const root of roots) mark(root);
  const snapshots = new LocalSnapshots(env, home);
  for (const vmId of await listIfThere(env, `${home}/vms`)) {
    for (const listing of await snapshots.list(vmId)) {
      if (listing.damaged)
        throw new KelpieError(
          'snapshot_corrupt',
          `cannot clean up before snapshot ${listing.id} is deleted: ${listing.reason}`,
        );
      mark(listing.snapshot);
    }
  }
  return used;
}

async function listIfThere(env: Pick<Env, 'files'>, directory: string): Promise<readonly string[]> {
  try {
    return await env.files.list(directory);
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return [];
    throw error;
  }
}
