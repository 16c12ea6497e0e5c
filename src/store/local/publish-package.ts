import { KelpieError } from '../../base/errors.ts';
import type { Files } from '../../env/files.ts';
import { isSystemError } from '../../env/system-error.ts';
import type { TeleportPackage } from '../teleport-storage.ts';

/**
 * Gives a whole, synced package its name. Where the package is published already, each of its files is replaced by its
 * equal, manifest last: at every moment readers see the same contents, and a damaged copy is repaired by the way.
 * @param directory holds the segments and `manifest.json`.
 */
export async function publishPackage(
  files: Files,
  directory: string,
  packages: string,
  published: TeleportPackage,
): Promise<void> {
  const target = `${packages}/${published.id}`;
  try {
    await files.rename(directory, target);
  } catch (error) {
    if (!isSystemError(error, 'ENOTEMPTY', 'EEXIST')) throw error;
    await replaceEqual(files, directory, target, published);
  }
  await files.syncDirectory(packages);
}

async function replaceEqual(
  files: Files,
  directory: string,
  target: string,
  published: TeleportPackage,
): Promise<void> {
  const names = [...published.segments.map((segment) => segment.name), 'manifest.json'];
  try {
    for (const name of names) await files.rename(`${directory}/${name}`, `${target}/${name}`);
    await files.syncDirectory(target);
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error;
    throw new KelpieError(
      'store_conflict',
      'the package was deleted while it was published again: try again.',
      { cause: error },
    );
  }
}
