import type { Env } from '../env/env.ts';
import { listIfThere } from '../env/list-if-there.ts';
import { statIfThere } from '../env/stat-if-there.ts';
import { blobPattern, blobsOf } from './collect-blobs.ts';
import type { BlobUse } from './collect-blobs.ts';
import { attemptLocally } from './local-failure.ts';
import type { LocalSnapshot } from './local-snapshots.ts';

/**
 * What the disk would have more of without some snapshots: their own files, and the blobs that nothing else names.
 * @param others what else names blobs: VMs, and the snapshots that stay.
 */
export async function spaceOf(
  env: Pick<Env, 'files'>,
  home: string,
  snapshots: readonly Pick<LocalSnapshot, 'directory' | 'memory' | 'disk'>[],
  others: Iterable<BlobUse>,
): Promise<number> {
  return await attemptLocally('measure the snapshots', async () => {
    const wanted = new Set(snapshots.flatMap((snapshot) => [...blobsOf(snapshot)]));
    for (const other of others) for (const id of blobsOf(other)) wanted.delete(id);
    const paths = (await listIfThere(env.files, `${home}/blobs`))
      .filter((name) => wanted.has(blobPattern.exec(name)?.groups?.['id'] ?? ''))
      .map((name) => `${home}/blobs/${name}`);
    for (const { directory } of snapshots)
      paths.push(...(await listIfThere(env.files, directory)).map((name) => `${directory}/${name}`));
    let bytes = 0;
    for (const path of paths) bytes += (await statIfThere(env.files, path))?.allocatedBytes ?? 0;
    return bytes;
  });
}
