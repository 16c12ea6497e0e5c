import { listIfThere } from '../env/list-if-there.ts';
import type { Env } from '../env/env.ts';

/** Removes what a VM's process leaves in its run directory; the directory itself stays. */
export async function emptyRunDirectory({ files }: Pick<Env, 'files'>, runDirectory: string): Promise<void> {
  for (const name of await listIfThere(files, runDirectory))
    await files.removeTree(`${runDirectory}/${name}`);
}
