import { HOUR_MS } from '../base/units.ts';
import { listIfThere } from '../env/list-if-there.ts';
import { attemptLocally } from '../snapshot/local-failure.ts';
import type { Env } from '../env/env.ts';

/** How long a download waits for somebody to go on with it. */
const DOWNLOAD_KEPT_MS: number = 24 * HOUR_MS;
/** Downloads that wait at most; the newest stay. */
const DOWNLOADS_KEPT_MAX = 4;

/** Removes downloads (`download.ts`) that nobody will go on with. None may be under way. @returns how many were removed. */
export async function sweepDownloads(
  { files, clock }: Pick<Env, 'files' | 'clock'>,
  downloadsDirectory: string,
): Promise<number> {
  return await attemptLocally('clean up after downloads', async () => {
    const found: { readonly path: string; readonly modifiedMs: number }[] = [];
    for (const name of await listIfThere(files, downloadsDirectory)) {
      const path = `${downloadsDirectory}/${name}`;
      // Its journal is replaced as it goes on, which changes the directory.
      found.push({ path, modifiedMs: (await files.stat(path)).modifiedMs });
    }
    const oldestMs = clock.wallMs() - DOWNLOAD_KEPT_MS;
    const stale = found
      .toSorted((a, b) => b.modifiedMs - a.modifiedMs)
      .filter(({ modifiedMs }, index) => index >= DOWNLOADS_KEPT_MAX || modifiedMs < oldestMs);
    for (const { path } of stale) await files.removeTree(path);
    return stale.length;
  });
}
