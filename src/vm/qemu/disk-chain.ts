/** The layers of a VM's disk: making the one that the guest writes to. None of it is durable before `makeDurable`. */
import { assert, defined } from '../../base/assert.ts';
import { KelpieError } from '../../base/errors.ts';
import { formatBytes, MIB } from '../../base/units.ts';
import type { Env } from '../../env/env.ts';
import { diskLayerPath } from '../../snapshot/local-snapshot.ts';
import type { DiskLayer } from '../../snapshot/local-snapshot.ts';
import type { DiskFile } from './command-line.ts';
import { emptyOverlay } from './overlay-file.ts';

/** QEMU's names of nodes have at most 31 characters and begin with a letter. */
const NODE_NAME_LENGTH_MAX = 31;

/** QEMU's name for the node of a layer: the same in every process that opens it. */
export function layerNode(layer: DiskLayer): string {
  return `d${layer.id.replaceAll('-', '')}`.slice(0, NODE_NAME_LENGTH_MAX);
}

export function diskFiles(blobDirectory: string, disk: readonly DiskLayer[]): readonly DiskFile[] {
  return disk.map((layer) => ({
    node: layerNode(layer),
    path: diskLayerPath(blobDirectory, layer),
    format: layer.format,
  }));
}

/** The layer that the guest writes to. */
export function topLayer(disk: readonly DiskLayer[]): DiskLayer {
  return defined(disk.at(-1), 'the top layer of a disk');
}

/**
 * The disk of a VM that never ran: the image's template, grown to the size that the user asked for.
 * @throws KelpieError `invalid_argument` when that is less than the template; nothing is left then.
 */
export async function createFirstLayer(
  env: Env,
  blobDirectory: string,
  template: string,
  diskMib: number,
): Promise<DiskLayer> {
  const sizeBytes = diskMib * MIB;
  const { sizeBytes: templateBytes } = await env.files.stat(template);
  if (sizeBytes < templateBytes) {
    throw new KelpieError(
      'invalid_argument',
      `a disk of ${formatBytes(sizeBytes)} is too small for this image, which needs ${formatBytes(templateBytes)}.`,
      { data: { diskMibMin: Math.ceil(templateBytes / MIB) } },
    );
  }
  const layer: DiskLayer = { id: env.random.uuid(), format: 'raw', sizeBytes };
  const path = diskLayerPath(blobDirectory, layer);
  try {
    await env.files.clone(template, path);
    const file = await env.files.open(path, 'r+');
    try {
      await file.truncate(sizeBytes);
    } finally {
      await file.close();
    }
  } catch (error) {
    await env.files.removeTree(path);
    throw error;
  }
  return layer;
}

/** An empty layer above `below`. Nothing is left when it fails. */
export async function createOverlay(env: Env, blobDirectory: string, below: DiskLayer): Promise<DiskLayer> {
  assert(below.sizeBytes > 0, 'a disk has a size');
  const layer: DiskLayer = { id: env.random.uuid(), format: 'qcow2', sizeBytes: below.sizeBytes };
  const path = diskLayerPath(blobDirectory, layer);
  const { head, fileBytes } = emptyOverlay({
    sizeBytes: below.sizeBytes,
    backingFile: `${below.id}.${below.format}`,
    backingFormat: below.format,
  });
  try {
    const file = await env.files.open(path, 'wx');
    try {
      await file.write(head, 0);
      await file.truncate(fileBytes);
    } finally {
      await file.close();
    }
  } catch (error) {
    await env.files.removeTree(path);
    throw error;
  }
  return layer;
}
