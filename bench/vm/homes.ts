/** The hosts of the benchmark: state directories of their own under `.cache/bench`, which are removed at the end whatever happens. */
import { existsSync, linkSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Env } from '../../src/env/env.ts';
import { DemoHost, numberAt, record } from '../../scripts/demo/kelpie.ts';
import { createQemuBackend } from '../../src/vm/qemu/backend.ts';
import { baseImage } from '../../test/support/base-image.ts';
import type { BaseImage } from '../../test/support/base-image.ts';

const root = join(import.meta.dirname, '../../.cache/bench');

/** A directory for a benchmark's own files. */
export const scratchDirectory: string = join(root, 'scratch');
export const storeDirectory: string = join(root, 'store');

/** A host with the base image; its daemon starts with the first command. */
export function makeHost(name: string, image: BaseImage): DemoHost {
  const home = join(root, name);
  const images = join(home, 'images', image.info.digest);
  mkdirSync(images, { recursive: true, mode: 0o700 });
  const built = join(image.files.kernel, '..');
  for (const file of readdirSync(built)) linkSync(join(built, file), join(images, file));
  return new DemoHost(name, home);
}

/** Makes an empty folder for the hosts and gives the image that they share. */
export async function prepare(env: Env): Promise<BaseImage> {
  await tidyUp(env);
  mkdirSync(scratchDirectory, { recursive: true });
  mkdirSync(storeDirectory, { recursive: true });
  return baseImage(env, env.host.architecture);
}

/** Ends every VM and daemon under the folder, those of a run that was killed too, and removes it. */
export async function tidyUp(env: Env): Promise<void> {
  if (!existsSync(root)) return;
  await createQemuBackend(env, { cacheDirectory: scratchDirectory }).removeOrphan(scratchDirectory);
  for (const name of readdirSync(root)) {
    if (!existsSync(join(root, name, 'host.json'))) continue;
    const host = new DemoHost(name, join(root, name));
    const { vms } = await host.json(['ps']);
    for (const vm of Array.isArray(vms) ? vms : []) {
      await host.must(['rm', '--force', String(record(vm, 'a VM')['name'])]);
    }
    await host.must(['daemon', 'stop']);
  }
  rmSync(root, { recursive: true, force: true });
}

/** The process that is the daemon of a host. */
export async function daemonPid(host: DemoHost): Promise<number> {
  const { daemon } = await host.json(['version']);
  return numberAt(record(daemon, 'the daemon’s version'), 'pid');
}
