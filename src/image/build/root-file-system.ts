/** The read-only root file system: squashfs with zstd, made from a tar stream (docs/adr/0010-base-image.md says why). */
import { rootStream } from '../root/root-stream.ts';
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

/** mksquashfs gives the root folder itself this moment and mode 0777, whatever the stream says of it. */
const rootFolder = ['-root-mode', '0755', '-root-uid', '0', '-root-gid', '0', '-root-time', '0'] as const;
const reproducible = ['-reproducible', '-mkfs-time', '0', ...rootFolder] as const;
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
  const input = rootStream(env, {
    architecture: request.architecture,
    packagePaths: packages.map((item) => cachedPackagePath(request.cacheDirectory, item)),
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
  await runTool(env, {
    command: 'mksquashfs',
    args: [
      '-',
      request.path,
      '-tar',
      '-comp',
      'zstd',
      '-Xcompression-level',
      String(ZSTD_LEVEL),
      '-b',
      '128K',
      ...reproducible,
      ...silent,
    ],
    input,
    signal,
  });
}
