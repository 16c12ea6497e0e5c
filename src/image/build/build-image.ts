/**
 * Builds the base image:
 *
 * ```
 * apt: lists ─► resolve ─► download ─► cache        (signatures and digests checked)
 *                                        │
 *      kernel package ─► kernel, initramfs (agent + modules)
 *      other packages ─► one tar stream ─► mksquashfs ─► rootfs
 *      mke2fs ─► data-template
 *                                        └─► image.json ─► sync ─► rename
 * ```
 *
 * The same packages, recipe, agent and tools give the same bytes, and so the same digest, on every host.
 */
import { assert } from '../../base/assert.ts';
import { KelpieError } from '../../base/errors.ts';
import { isSystemError } from '../../env/system-error.ts';
import { hashFile } from '../hash-file.ts';
import { encodeImageInfo, sealImageInfo } from '../image-info.ts';
import { imageKernelArguments } from '../kernel-arguments.ts';
import { IMAGE_FILE_NAMES, imagesDirectory } from '../paths.ts';
import { publishStaged, removeStaleStaging, withStaging } from '../staging.ts';
import { IMAGE_VERSION } from '../version.ts';
import { waitForLock } from '../wait-for-lock.ts';
import { syncFile, writeWhole } from '../whole-file.ts';
import { readAgent } from './agent-binary.ts';
import { choosePackages } from './choose-packages.ts';
import { writeDataTemplate } from './data-template.ts';
import { chooseArchives } from './host-sources.ts';
import { encodeInitramfs } from './initramfs.ts';
import { initramfsModules } from './kernel-modules.ts';
import { readKernelPackages } from './kernel-package.ts';
import { cachedPackagePath } from './package-cache.ts';
import { BuildProgress } from './progress.ts';
import { writeRootFileSystem } from './root-file-system.ts';
import type { Env } from '../../env/env.ts';
import type { Architecture } from '../../snapshot/metadata.ts';
import type { ImageFile, ImageInfo } from '../image-info.ts';
import type { ImagePaths } from '../paths.ts';
import type { AgentBinary } from './agent-binary.ts';
import type { ChosenPackages } from './choose-packages.ts';
import type { ArchiveChoice } from './host-sources.ts';
import type { OnImageBuildProgress } from './progress.ts';

export interface ImageBuildOptions {
  /** `KELPIE_HOME` */
  readonly home: string;
  /** The only name for now; others are refused. */
  readonly name: string;
  readonly architecture: Architecture;
  /** `guest-agent` of this project: sources with a Makefile, or only `build/kelpie-agent-ARCHITECTURE`. */
  readonly agentDirectory: string;
  /** An apt sources file to use instead of the host's archives. */
  readonly sourcesPath?: string;
}

/**
 * Builds an image and puts it under `KELPIE_HOME/images`. When the very same image is there already, that one stays.
 * Any number of builds may run at once, in any processes; a build that is killed leaves nothing that is seen as an image.
 * @throws KelpieError `image_build_failed`, `invalid_argument`, `disk_full`; the signal's reason.
 */
export async function buildImage(
  env: Env,
  options: ImageBuildOptions,
  onProgress: OnImageBuildProgress,
  signal: AbortSignal,
): Promise<ImageInfo> {
  if (options.name !== 'base') {
    throw new KelpieError(
      'invalid_argument',
      `There is no recipe for an image "${options.name}"; the one there is is base.`,
    );
  }
  try {
    return await withStaging(env, options.home, async (staged) => {
      await removeStaleStaging(env.files, options.home);
      return await buildStaged(env, {
        options,
        staged,
        progress: new BuildProgress(env.clock, onProgress),
        signal,
      });
    });
  } catch (error) {
    if (!isSystemError(error, 'ENOSPC', 'EDQUOT')) throw error;
    throw new KelpieError(
      'disk_full',
      `There is no room under ${imagesDirectory(options.home)} to build an image; it needs about 600 MiB.`,
      { cause: error },
    );
  }
}

interface Build {
  readonly options: ImageBuildOptions;
  readonly staged: ImagePaths;
  readonly progress: BuildProgress;
  readonly signal: AbortSignal;
}

async function buildStaged(env: Env, build: Build): Promise<ImageInfo> {
  const { options, staged, progress, signal } = build;
  progress.tell('agent');
  const agent = await readAgentInTurn(env, options, signal);
  const archives = await chooseArchives(env.files, options.sourcesPath ?? null);
  const scratch = `${staged.directory}/scratch`;
  await env.files.makeDirectory(scratch);
  const chosen = await choosePackages(env, {
    home: options.home,
    architecture: options.architecture,
    archives,
    scratchDirectory: scratch,
    progress,
    signal,
  });
  const kernelVersion = await writeKernel(env, build, { chosen, agent, directory: `${scratch}/kernel` });
  await writeRootFileSystem(env, {
    path: staged.rootfs,
    architecture: options.architecture,
    packages: chosen.root,
    cacheDirectory: chosen.cacheDirectory,
    archives,
    progress,
    signal,
  });
  progress.tell('data');
  await writeDataTemplate(env, staged.dataTemplate, scratch, signal);
  progress.tell('seal');
  await env.files.removeTree(scratch);
  const files = await sealFiles(env, staged, signal);
  const info = describe(env, { options, archives, chosen, agent, kernelVersion, files });
  await writeWhole(env.files, staged.description, encodeImageInfo(info), { sync: true });
  signal.throwIfAborted();
  await publishStaged(env.files, options.home, staged, info.digest);
  const sealedBytes = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  progress.tell('seal', sealedBytes, sealedBytes);
  return info;
}

/** One build at a time runs make: two would write the same files. */
async function readAgentInTurn(
  env: Env,
  options: ImageBuildOptions,
  signal: AbortSignal,
): Promise<AgentBinary> {
  const cache = `${options.home}/cache`;
  await env.files.makeDirectory(cache);
  const lock = await waitForLock(env, `${cache}/agent.lock`, signal);
  try {
    return await readAgent(env, options.agentDirectory, options.architecture, signal);
  } finally {
    await lock.release();
  }
}

/** Writes `kernel` and `initramfs`. @returns the kernel's version. */
async function writeKernel(
  env: Env,
  build: Build,
  inputs: { readonly chosen: ChosenPackages; readonly agent: AgentBinary; readonly directory: string },
): Promise<string> {
  build.progress.tell('kernel');
  await env.files.makeDirectory(inputs.directory);
  const kernel = await readKernelPackages(env, {
    packagePaths: inputs.chosen.kernel.map((wanted) =>
      cachedPackagePath(inputs.chosen.cacheDirectory, wanted),
    ),
    directory: inputs.directory,
    wanted: initramfsModules,
    signal: build.signal,
  });
  await writeWhole(env.files, build.staged.kernel, kernel.kernel);
  await writeWhole(env.files, build.staged.initramfs, encodeInitramfs(inputs.agent.content, kernel.modules));
  return kernel.version;
}

/** Makes the files durable and describes them. */
async function sealFiles(env: Env, staged: ImagePaths, signal: AbortSignal): Promise<readonly ImageFile[]> {
  const files: ImageFile[] = [];
  for (const name of IMAGE_FILE_NAMES) {
    const path = `${staged.directory}/${name}`;
    // mksquashfs and mke2fs leave modes that depend on the umask.
    await env.files.changeMode(path, 0o600);
    await syncFile(env.files, path);
    files.push({ name, ...(await hashFile(env, path, signal)) });
  }
  return files;
}

interface Ingredients {
  readonly options: ImageBuildOptions;
  readonly archives: ArchiveChoice;
  readonly chosen: ChosenPackages;
  readonly agent: AgentBinary;
  readonly kernelVersion: string;
  readonly files: readonly ImageFile[];
}

function describe(env: Env, from: Ingredients): ImageInfo {
  assert(from.files.length === IMAGE_FILE_NAMES.length, 'an image has all its files');
  return sealImageInfo(env.compute, {
    formatVersion: 1,
    name: from.options.name,
    version: IMAGE_VERSION,
    architecture: from.options.architecture,
    kernelVersion: from.kernelVersion,
    distribution: from.archives.distribution.id,
    release: from.archives.distribution.release,
    packages: [...from.chosen.root, ...from.chosen.kernel]
      .map(({ name, version, architecture }) => ({ name, version, architecture }))
      .toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    agent: { version: from.agent.version, sha256: env.compute.sha256(from.agent.content) },
    rootKind: 'squashfs',
    kernelArguments: imageKernelArguments(from.options.architecture),
    files: from.files,
  });
}
