/**
 * Makes an image appear whole or not at all.
 *
 * ```
 * images/.staging-UUID.lock   held while a process works on the folder beside it
 * images/.staging-UUID/       files are written and synced here
 * images/DIGEST/              rename: from now on it exists
 * ```
 *
 * A process that ends in between, however it ends, leaves a folder whose lock is free; the next one removes it. Names
 * that begin with a dot are never looked at as images.
 */
import { isSystemError } from '../env/system-error.ts';
import { imagePaths, imagesDirectory, pathsIn } from './paths.ts';
import type { Env } from '../env/env.ts';
import type { Files } from '../env/files.ts';
import type { ImagePaths } from './paths.ts';

const PREFIX = '.staging-';
const LOCK_SUFFIX = '.lock';

/** Calls `fill` with a fresh folder. The folder is gone afterwards, unless `publishStaged` has moved it into place. */
export async function withStaging<T>(
  env: Env,
  home: string,
  fill: (staged: ImagePaths) => Promise<T>,
): Promise<T> {
  const directory = `${imagesDirectory(home)}/${PREFIX}${env.random.uuid()}`;
  await env.files.makeDirectory(imagesDirectory(home));
  const lock = await env.files.tryLock(`${directory}${LOCK_SUFFIX}`);
  if (lock === null) throw new Error(`${directory} is taken, though its name is random`);
  try {
    await env.files.makeDirectory(directory);
    return await fill(pathsIn(directory));
  } finally {
    await env.files.removeTree(directory);
    await env.files.removeTree(`${directory}${LOCK_SUFFIX}`);
    await lock.release();
  }
}

/**
 * Moves a staged image, whose files are synced, to its place. When the same image is there already, that one stays.
 * Durable when it resolves.
 */
export async function publishStaged(
  files: Files,
  home: string,
  staged: ImagePaths,
  digest: string,
): Promise<void> {
  await files.syncDirectory(staged.directory);
  try {
    await files.rename(staged.directory, imagePaths(home, digest).directory);
  } catch (error) {
    if (!isSystemError(error, 'ENOTEMPTY', 'EEXIST')) throw error;
  }
  await files.syncDirectory(imagesDirectory(home));
}

/** Removes what ended processes have left. */
export async function removeStaleStaging(files: Files, home: string): Promise<void> {
  const names = await files.list(imagesDirectory(home));
  for (const name of names.filter((candidate) => candidate.startsWith(PREFIX))) {
    const directory = `${imagesDirectory(home)}/${name.endsWith(LOCK_SUFFIX) ? name.slice(0, -LOCK_SUFFIX.length) : name}`;
    const lock = await files.tryLock(`${directory}${LOCK_SUFFIX}`);
    if (lock === null) continue;
    try {
      await files.removeTree(directory);
      await files.removeTree(`${directory}${LOCK_SUFFIX}`);
    } finally {
      await lock.release();
    }
  }
}
