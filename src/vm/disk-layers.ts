/** The layers of a VM's disk, whatever runs it. None of it is durable before `makeDurable`. */
import { defined } from '../base/assert.ts';
import { KelpieError } from '../base/errors.ts';
import { formatBytes, MIB } from '../base/units.ts';
import type { Env } from '../env/env.ts';
import { diskLayerPath } from '../snapshot/local-snapshot.ts';
import type { DiskLayer } from '../snapshot/local-snapshot.ts';

/** The layer that the guest writes to. */
export function topLayer(disk: readonly DiskLayer[]): DiskLayer {
  return defined(disk.at(-1), 'the top layer of a disk');
}

/** @throws KelpieError `invalid_argument` for a disk that is smaller than the image's template. */
export async function requireTemplateFits(
  { files }: Pick<Env, 'files'>,
  template: string,
  diskMib: number,
): Promise<void> {
  const { sizeBytes } = await files.stat(template);
  if (sizeBytes <= diskMib * MIB) return;
  throw new KelpieError(
    'invalid_argument',
    `a disk of ${formatBytes(diskMib * MIB)} is too small for this image, which needs ${formatBytes(sizeBytes)}.`,
    { data: { diskMibMin: Math.ceil(sizeBytes / MIB) } },
  );
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
  await requireTemplateFits(env, template, diskMib);
  const sizeBytes = diskMib * MIB;
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
