/** The read-only root file system: squashfs with zstd, made from a tar stream (docs/adr/0010-base-image.md says why). */
import { isKelpieError } from '../../base/errors.ts';
import { newestSeconds, readPackages, rootStream } from '../root/root-stream.ts';
import { IMAGE_VERSION } from '../version.ts';
import { formatGuestSources } from './apt-sources.ts';
import { rootPackages } from './choose-packages.ts';
import { cachedPackagePath } from './package-cache.ts';
import { runTool } from './tool.ts';
import type { Env } from '../../env/env.ts';
import type { Architecture } from '../../snapshot/metadata.ts';
import type { PackageFile } from './apt.ts';
import type { ArchiveChoice } from './host-sources.ts';
import type { BuildProgress } from './progress.ts';

/** Measured on two cores: level 15 takes 8 s and 37.7 MB, level 19 takes 15 s and 37.3 MB. */
const ZSTD_LEVEL = 15;

/**
 * mksquashfs does not take the root folder from the stream. Version 4.5 obeys only the mode of these; the time it
 * takes from SOURCE_DATE_EPOCH, and the owner is the user that runs it.
 */
const rootFolder = ['-root-mode', '0755', '-root-uid', '0', '-root-gid', '0'] as const;
const reproducible = ['-reproducible', ...rootFolder] as const;
const silent = ['-no-progress', '-quiet', '-exit-on-error'] as const;

export interface RootFileSystemRequest {
  /** Where the file is made. */
  readonly path: string;
  readonly architecture: Architecture;
  readonly packages: readonly PackageFile[];
  readonly cacheDirectory: string;
  readonly archives: ArchiveChoice;
  readonly progress: BuildProgress;
  readonly signal: AbortSignal;
}

export async function writeRootFileSystem(env: Env, request: RootFileSystemRequest): Promise<void> {
  const { packages, archives, progress, signal } = request;
  const totalBytes = packages.reduce((sum, item) => sum + item.sizeBytes, 0);
  let doneBytes = 0;
  progress.tell('rootfs', doneBytes, totalBytes);
  const paths = packages.map((item) => cachedPackagePath(request.cacheDirectory, item));
  const read = await readPackages(env, paths, signal);
  const input = rootStream(env, {
    architecture: request.architecture,
    packages: read,
    requested: new Set<string>(rootPackages),
    recipe: {
      imageVersion: IMAGE_VERSION,
      aptSources: formatGuestSources(archives.sources),
      distribution: archives.distribution.id,
    },
    extra: [],
    onPackage: (index) => {
      doneBytes += packages[index]?.sizeBytes ?? 0;
      progress.tell('rootfs', doneBytes, totalBytes);
    },
    signal,
  });
  const args = [
    '-',
    request.path,
    '-tar',
    '-comp',
    'zstd',
    '-Xcompression-level',
    String(ZSTD_LEVEL),
    '-b',
    '128K',
  ];
  await runTool(env, {
    ...(await asRoot(env, { command: 'mksquashfs', args: [...args, ...reproducible, ...silent] }, signal)),
    environment: { SOURCE_DATE_EPOCH: String(newestSeconds(read)) },
    input,
    signal,
  });
}

interface Command {
  readonly command: string;
  readonly args: readonly string[];
}

/**
 * The command in a user namespace where the user is root, so that the root folder belongs to root whoever builds. Where
 * the host forbids such namespaces it belongs to the user: harmless, since in the guest an overlay lies over it, but the
 * digest is then another one than root's.
 */
async function asRoot(env: Env, command: Command, signal: AbortSignal): Promise<Command> {
  if (env.host.uid === 0) return command;
  const mapped = ['--map-root-user', '--'];
  try {
    await runTool(env, { command: 'unshare', args: [...mapped, 'true'], signal });
  } catch (error) {
    if (isKelpieError(error, 'image_build_failed')) return command;
    throw error;
  }
  return { command: 'unshare', args: [...mapped, command.command, ...command.args] };
}
