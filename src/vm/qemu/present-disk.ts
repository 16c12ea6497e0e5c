import { KelpieError } from '../../base/errors.ts';
import type { DiskLayer } from '../../snapshot/local-snapshot.ts';
import { topLayer } from '../disk-layers.ts';
import { DATA_DEVICE } from './command-line.ts';
import type { VmContext } from './context.ts';
import { layerNode } from './disk-chain.ts';
import type { QemuProcess } from './launch.ts';
import { queryDiskNode } from './qmp-commands.ts';

/**
 * The layers that were written down, without those that QEMU has not switched to, or with the one above them that it has switched to since.
 * @throws KelpieError `vm_backend_failed` when it writes to none of them.
 */
export async function presentDisk(
  { env, places }: VmContext,
  process: Pick<QemuProcess, 'qmp'>,
  written: readonly DiskLayer[],
): Promise<readonly DiskLayer[]> {
  const node = await queryDiskNode(process.qmp, DATA_DEVICE);
  const known = written.findIndex((layer) => layerNode(layer) === node);
  if (known !== -1) return written.slice(0, known + 1);
  for (const name of await env.files.list(places.blobDirectory)) {
    const [id, format] = name.split('.');
    if (id === undefined || format !== 'qcow2') continue;
    const layer: DiskLayer = { id, format, sizeBytes: topLayer(written).sizeBytes };
    if (layerNode(layer) === node) return [...written, layer];
  }
  throw new KelpieError('vm_backend_failed', 'the VM writes to a disk that is not its own.', {
    data: { node: node ?? '' },
  });
}
