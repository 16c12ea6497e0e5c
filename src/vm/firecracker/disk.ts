/**
 * Disks for a VMM that reads plain files alone: one raw file that the guest writes to, and whole copies of it for snapshots. On file
 * systems that share blocks (XFS, btrfs) a copy takes no time and no space; elsewhere both grow with what the disk holds.
 */
import { diskLayerPath } from '../../snapshot/local-snapshot.ts';
import type { DiskLayer } from '../../snapshot/local-snapshot.ts';
import { createFirstLayer, topLayer } from '../disk-layers.ts';
import { flattenDisk } from '../flatten.ts';
import type { VmContext } from './context.ts';

/**
 * The file that a VM will write to, with what the frozen layers show; without any, the image's template. Nothing is left when it fails.
 * @throws KelpieError `io_failed`, `invalid_argument`, `canceled`.
 */
export async function createDisk(
  { env, config, places }: VmContext,
  frozen: readonly DiskLayer[],
  signal: AbortSignal | undefined,
): Promise<DiskLayer> {
  const { blobDirectory, image } = places;
  if (frozen.length === 0) return createFirstLayer(env, blobDirectory, image.dataTemplate, config.diskMib);
  // A raw layer hides what is below it.
  if (topLayer(frozen).format === 'raw') return copyDisk({ env, places }, topLayer(frozen));
  return flattenDisk(env, blobDirectory, frozen, signal);
}

/** A copy of a raw layer; of one that a VM writes to, while the VM stands still. Nothing is left when it fails. */
export async function copyDisk(
  { env, places }: Pick<VmContext, 'env' | 'places'>,
  layer: DiskLayer,
): Promise<DiskLayer> {
  const copy: DiskLayer = { ...layer, id: env.random.uuid() };
  const path = diskLayerPath(places.blobDirectory, copy);
  try {
    await env.files.clone(diskLayerPath(places.blobDirectory, layer), path);
    // A caged VM's disk has other permissions than what the host keeps.
    await env.files.changeMode(path, 0o600);
  } catch (error) {
    await env.files.removeTree(path);
    throw error;
  }
  return copy;
}
