/** From the names in a recipe to verified package files in the cache. */
import { KelpieError } from '../../base/errors.ts';
import { waitForLock } from '../wait-for-lock.ts';
import { Apt } from './apt.ts';
import { fillPackageCache } from './package-cache.ts';
import type { Env } from '../../env/env.ts';
import type { Architecture } from '../../snapshot/metadata.ts';
import type { PackageFile } from './apt.ts';
import type { ArchiveChoice } from './host-sources.ts';
import type { BuildProgress } from './progress.ts';

export interface ChosenPackages {
  /** Packages of the root file system, in the order in which they are laid down. */
  readonly root: readonly PackageFile[];
  /** Packages with the kernel and its modules. */
  readonly kernel: readonly PackageFile[];
  readonly cacheDirectory: string;
}

/**
 * What the root file system has beside every package that Debian calls essential. `usr-is-merged` says that `/bin` and
 * its kin are links already; without it apt would bring `usrmerge`, and with it all of Perl.
 */
export const rootPackages = [
  'apt',
  'bash',
  'ca-certificates',
  'coreutils',
  'curl',
  'gzip',
  'iproute2',
  'less',
  'netbase',
  'procps',
  'python3',
  'tar',
  'usr-is-merged',
  'util-linux',
  'xz-utils',
  'zstd',
] as const;

/** Debian's word for an architecture. */
const debianArchitectures = { x86_64: 'amd64', arm64: 'arm64' } as const satisfies Record<
  Architecture,
  string
>;

export interface PackageRequest {
  readonly home: string;
  readonly architecture: Architecture;
  readonly archives: ArchiveChoice;
  /** A folder of this build alone. */
  readonly scratchDirectory: string;
  readonly progress: BuildProgress;
  readonly signal: AbortSignal;
}

/** @throws KelpieError `image_build_failed` with what apt said; the signal's reason. */
export async function choosePackages(env: Env, request: PackageRequest): Promise<ChosenPackages> {
  const { archives, progress, signal } = request;
  const architecture = debianArchitectures[request.architecture];
  const cache = `${request.home}/cache`;
  const cacheDirectory = `${cache}/packages`;
  const state = `${cache}/apt-${archives.distribution.id}-${archives.distribution.release.replaceAll('/', '-')}-${architecture}`;
  await env.files.makeDirectory(state);
  // The lists are shared by builds; each of them must resolve on lists that do not change under it.
  const lock = await waitForLock(env, `${state}/lock`, signal);
  try {
    const apt = await Apt.create(env, state, { architecture, sources: archives.sources, signal });
    progress.tell('lists');
    await apt.update((percent) => progress.tell('lists', Math.round(percent), 100));
    progress.tell('resolve');
    const root = layingOrder(await apt.resolve(['?essential', ...rootPackages]));
    const kernel = kernelPackages(await apt.resolve([kernelName(archives.distribution.id, architecture)]));
    const scratchDirectory = `${request.scratchDirectory}/download`;
    await env.files.makeDirectory(scratchDirectory);
    const onBytes = (doneBytes: number, totalBytes: number): void =>
      progress.tell('download', doneBytes, totalBytes);
    await fillPackageCache(env, {
      apt,
      packages: [...root, ...kernel],
      cacheDirectory,
      scratchDirectory,
      onBytes,
    });
    return { root, kernel, cacheDirectory };
  } finally {
    await lock.release();
  }
}

/** The kernel that is made for virtual machines. */
function kernelName(distribution: string, architecture: string): string {
  return distribution === 'ubuntu' ? 'linux-image-virtual' : `linux-image-cloud-${architecture}`;
}

/** Of all that a kernel's meta-package pulls in, what has the kernel's files: the name goes on with a version. */
function kernelPackages(resolved: readonly PackageFile[]): readonly PackageFile[] {
  const kernel = resolved.filter((candidate) => /^linux-(image|modules)(-unsigned)?-\d/.test(candidate.name));
  if (kernel.length === 0)
    throw new KelpieError('image_build_failed', 'The archive has no kernel for virtual machines.');
  return kernel;
}

/** base-files first, since its folders have the right modes (`/tmp`, `/root`); then by name. */
function layingOrder(packages: readonly PackageFile[]): readonly PackageFile[] {
  const isFirst = (candidate: PackageFile): boolean => candidate.name === 'base-files';
  return [...packages.filter(isFirst), ...packages.filter((candidate) => !isFirst(candidate))];
}
