import type { Env } from '../env/env.ts';
import { PAGE_MAP_BYTES_MAX } from './page-map-codec.ts';
import { PageMap } from './page-map.ts';

/** The page map in a file of this host. @throws KelpieError `snapshot_corrupt`, `package_too_new`; SystemError, which whoever asks says what it was for. */
export async function readPageMap(
  { files, compute }: Pick<Env, 'files' | 'compute'>,
  path: string,
): Promise<PageMap> {
  return PageMap.decode(await files.readFile(path, PAGE_MAP_BYTES_MAX), compute);
}
