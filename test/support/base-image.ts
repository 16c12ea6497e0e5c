/** The base image for suites that boot VMs: built once into `.cache/test-home`, and again when the guest agent has changed. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isKelpieError } from '../../src/base/errors.ts';
import type { Env } from '../../src/env/env.ts';
import { buildImage } from '../../src/image/build/build-image.ts';
import { findImage } from '../../src/image/image-store.ts';
import type { ImageInfo } from '../../src/image/image-info.ts';
import { imagePaths } from '../../src/image/paths.ts';
import type { Architecture } from '../../src/snapshot/metadata.ts';
import type { VmPlaces } from '../../src/vm/instance.ts';

const root = join(import.meta.dirname, '../..');
const home = join(root, '.cache/test-home');
const agentDirectory = join(root, 'guest-agent');
/** A build takes 16 s with a warm cache of packages; the first one downloads 75 MB. */
export const IMAGE_BUILD_TIMEOUT_MS = 240_000;

export interface BaseImage {
  readonly info: ImageInfo;
  readonly files: VmPlaces['image'];
}

export async function baseImage(env: Env, architecture: Architecture): Promise<BaseImage> {
  const info = (await present(env, architecture)) ?? (await build(env, architecture));
  const { kernel, initramfs, rootfs, dataTemplate } = imagePaths(home, info.digest);
  return { info, files: { kernel, initramfs, rootfs, dataTemplate, kernelArguments: info.kernelArguments } };
}

async function build(env: Env, architecture: Architecture): Promise<ImageInfo> {
  const signal = AbortSignal.timeout(IMAGE_BUILD_TIMEOUT_MS);
  return buildImage(env, { home, name: 'base', architecture, agentDirectory }, () => undefined, signal);
}

async function present(env: Env, architecture: Architecture): Promise<ImageInfo | null> {
  try {
    const agent = await readFile(join(agentDirectory, `build/kelpie-agent-${architecture}`));
    const info = await findImage(env, home, { name: 'base', architecture });
    return info.agent.sha256 === createHash('sha256').update(agent).digest('hex') ? info : null;
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    if (isMissing || isKelpieError(error, 'image_not_found')) return null;
    throw error;
  }
}
