import { createSynced, makeDurable } from '../env/durable-files.ts';
import { diskLayerPath, pageFilePath } from '../snapshot/local-snapshot.ts';
import type { DiskLayer } from '../snapshot/local-snapshot.ts';
import type { PageMap } from '../snapshot/page-map.ts';
import type { Undo } from './undo.ts';
import type { VmContextBase } from './vm-driver.ts';

/** What a pause left behind, not yet durable; the device state is in `directory`. */
export interface CapturedFiles {
  /** Of the snapshot. */
  readonly directory: string;
  readonly map: PageMap;
  /** By uuid. */
  readonly pageFile: string;
  /** Without a page of use the page file is removed. */
  readonly isPageFileUsed: boolean;
  /** All that the snapshot has frozen lately, or its VM goes on in. */
  readonly layers: readonly DiskLayer[];
}

/** Writes the snapshot's map; it, and everything that it and its disk need, is on the disk for good then. @returns the map's path. */
export async function keepCaptured(
  { env, places }: Pick<VmContextBase<unknown>, 'env' | 'places'>,
  undo: Undo,
  { directory, map, pageFile, isPageFileUsed, layers }: CapturedFiles,
): Promise<string> {
  const mapPath = `${directory}/memory.map`;
  const pagePath = pageFilePath(places.blobDirectory, pageFile);
  undo.onFailure(() => env.files.removeTree(mapPath));
  if (isPageFileUsed) await makeDurable(env.files, pagePath);
  else await env.files.removeTree(pagePath);
  for (const layer of layers) await makeDurable(env.files, diskLayerPath(places.blobDirectory, layer));
  await makeDurable(env.files, `${directory}/device-state`);
  await createSynced(env.files, mapPath, map.encode(env.compute));
  await env.files.syncDirectory(directory);
  return mapPath;
}
