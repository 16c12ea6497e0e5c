/** What a kernel's packages hold: the kernel, and its modules by name. */
import { fromUtf8 } from '../../base/bytes.ts';
import { KelpieError } from '../../base/errors.ts';
import { isSystemError } from '../../env/system-error.ts';
import { KERNEL_BYTES_MAX, KERNEL_MODULE_BYTES_MAX } from '../limits.ts';
import { moduleName, resolveModules } from './kernel-modules.ts';
import { runTool, toolOutput } from './tool.ts';
import type { Bytes } from '../../base/bytes.ts';
import type { Env } from '../../env/env.ts';
import type { ResolvedModule } from './kernel-modules.ts';

export interface KernelFiles {
  /** `uname -r` */
  readonly version: string;
  readonly kernel: Bytes;
  /** In load order. */
  readonly modules: readonly ResolvedModule[];
}

/** Decompressors of module files, by suffix; Debian 12 has them plain, newer releases compressed. */
const decompressors: Readonly<Record<string, readonly [string, ...string[]]>> = {
  '.ko.xz': ['xz', '-dc'],
  '.ko.zst': ['zstd', '-dc', '-q'],
  '.ko.gz': ['gzip', '-dc'],
};

/**
 * Unpacks the packages into `directory`, which is empty, and reads what an image needs of them.
 * @param wanted names of modules; those that are built into the kernel are left out.
 */
export async function readKernelPackages(
  env: Env,
  request: {
    readonly packagePaths: readonly string[];
    readonly directory: string;
    readonly wanted: readonly string[];
    readonly signal: AbortSignal;
  },
): Promise<KernelFiles> {
  const { directory, signal } = request;
  for (const path of request.packagePaths) {
    await runTool(env, { command: 'dpkg-deb', args: ['--extract', path, directory], signal });
  }
  const kernelName = (await env.files.list(`${directory}/boot`)).find((name) => name.startsWith('vmlinuz-'));
  if (kernelName === undefined)
    throw new KelpieError('image_build_failed', 'The kernel package has no /boot/vmlinuz.');
  const version = kernelName.slice('vmlinuz-'.length);
  const modulesDirectory = await findModules(env, directory, version);
  const paths = await indexModules(env, modulesDirectory);
  const builtIn = await readBuiltIn(env, modulesDirectory);
  const modules = await resolveModules(request.wanted, builtIn, async (name) => {
    const path = paths.get(name);
    return path === undefined ? null : await readModule(env, path, signal);
  });
  return {
    version,
    kernel: await env.files.readFile(`${directory}/boot/${kernelName}`, KERNEL_BYTES_MAX),
    modules,
  };
}

async function findModules(env: Env, directory: string, version: string): Promise<string> {
  for (const path of [`${directory}/lib/modules/${version}`, `${directory}/usr/lib/modules/${version}`]) {
    try {
      await env.files.stat(path);
      return path;
    } catch (error) {
      if (!isSystemError(error, 'ENOENT')) throw error;
    }
  }
  throw new KelpieError('image_build_failed', `The kernel packages have no modules of ${version}.`);
}

async function indexModules(env: Env, directory: string): Promise<ReadonlyMap<string, string>> {
  const paths = new Map<string, string>();
  const pending = [`${directory}/kernel`];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    for (const name of await env.files.list(next)) {
      const path = `${next}/${name}`;
      if (/\.ko(\.[a-z]+)?$/.test(name)) paths.set(moduleName(name), path);
      else if ((await env.files.lstat(path)).kind === 'directory') pending.push(path);
    }
  }
  return paths;
}

async function readBuiltIn(env: Env, directory: string): Promise<ReadonlySet<string>> {
  const text = fromUtf8(await env.files.readFile(`${directory}/modules.builtin`, KERNEL_MODULE_BYTES_MAX));
  return new Set(
    text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => moduleName(line)),
  );
}

async function readModule(env: Env, path: string, signal: AbortSignal): Promise<Bytes> {
  const suffix = /\.ko(\.[a-z]+)?$/.exec(path)?.[0] ?? '';
  if (suffix === '.ko') return await env.files.readFile(path, KERNEL_MODULE_BYTES_MAX);
  const tool = decompressors[suffix];
  if (tool === undefined)
    throw new KelpieError(
      'image_build_failed',
      `Kernel modules are compressed in an unknown way: ${suffix}.`,
    );
  const [command, ...args] = tool;
  return await toolOutput(env, { command, args: [...args, path], signal }, KERNEL_MODULE_BYTES_MAX);
}
