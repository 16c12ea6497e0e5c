/** The layers of a VM's disk as QEMU has them. None of it is durable before `makeDurable`. */
import { assert } from '../../base/assert.ts';
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
