/** Downloaded packages, kept under their file names in `KELPIE_HOME/cache/packages` and checked before each use. */
import { KelpieError } from '../../base/errors.ts';
import { isSystemError } from '../../env/system-error.ts';
import { hashFile } from '../hash-file.ts';
import type { Env } from '../../env/env.ts';
import type { Apt, PackageFile } from './apt.ts';

export interface DownloadRequest {
  readonly apt: Apt;
  readonly packages: readonly PackageFile[];
  readonly cacheDirectory: string;
  /** An empty folder on the same file system. */
  readonly scratchDirectory: string;
  readonly onBytes: (doneBytes: number, totalBytes: number) => void;
}

/** The path of a package in the cache. */
export function cachedPackagePath(cacheDirectory: string, wanted: PackageFile): string {
  return `${cacheDirectory}/${wanted.fileName}`;
}

/**
 * Fetches what is missing or damaged. When it resolves, every package is in the cache with the digest that the
 * archive's signed index names. @throws KelpieError `image_build_failed`
 */
export async function fillPackageCache(env: Env, request: DownloadRequest): Promise<void> {
  await env.files.makeDirectory(request.cacheDirectory);
  const missing: PackageFile[] = [];
  for (const wanted of request.packages) {
    if (!(await isIntact(env, cachedPackagePath(request.cacheDirectory, wanted), wanted)))
      missing.push(wanted);
  }
  const totalBytes = missing.reduce((sum, wanted) => sum + wanted.sizeBytes, 0);
  request.onBytes(0, totalBytes);
  if (missing.length === 0) return;
  await request.apt.download(missing, request.scratchDirectory, (percent) => {
    request.onBytes(Math.round((percent / 100) * totalBytes), totalBytes);
  });
  for (const wanted of missing) {
    const fetched = `${request.scratchDirectory}/${wanted.fileName}`;
    if (!(await isIntact(env, fetched, wanted))) {
      throw new KelpieError(
        'image_build_failed',
        `The package ${wanted.fileName} arrived damaged; try again.`,
      );
    }
    await env.files.rename(fetched, cachedPackagePath(request.cacheDirectory, wanted));
  }
  request.onBytes(totalBytes, totalBytes);
}

async function isIntact(env: Env, path: string, wanted: PackageFile): Promise<boolean> {
  try {
    const { sizeBytes, sha256 } = await hashFile(env, path);
    return sizeBytes === wanted.sizeBytes && sha256 === wanted.sha256;
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return false;
    throw error;
  }
}
