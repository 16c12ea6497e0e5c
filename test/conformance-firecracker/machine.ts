/** Acts that many tests share: configure, start, pause, snapshot, load. */
import { countingGuest } from './counting-guest.ts';
import { done } from './expect.ts';
import type { Linux, SuiteOptions } from './options.ts';
import type { World } from './case.ts';
import type { UnderTest } from './under-test.ts';

/** Small, so that comparing whole memories is quick; for Linux enough to boot. */
export const MEMORY_MIB_SMALL = 32;
const MEMORY_MIB_LINUX = 256;
/** Long enough for a guest that runs to write something. */
const WORK_MS = 150;

export function memoryBytes({ options }: World): number {
  return (options.plainGuest === null ? MEMORY_MIB_SMALL : plainMemoryMib(options)) * 2 ** 20;
}

/** Starts the guest that tests without an agent run on. */
export async function start(
  world: World,
  one: UnderTest,
  machine: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  await configure(world, one, machine);
  done(await one.put('/actions', { action_type: 'InstanceStart' }));
}

export async function configure(
  { options }: World,
  one: UnderTest,
  machine: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  if (options.plainGuest !== null)
    return await configureLinux(one, options.plainGuest, {
      mem_size_mib: plainMemoryMib(options),
      ...machine,
    });
  await one.write('kernel', countingGuest());
  done(await one.put('/machine-config', { vcpu_count: 1, mem_size_mib: MEMORY_MIB_SMALL, ...machine }));
  done(await one.put('/boot-source', { kernel_image_path: 'kernel' }));
}

/** A kernel of the caller's, with what it needs. */
export async function configureLinux(
  one: UnderTest,
  { kernel, initrd, rootfs }: Linux,
  machine: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const words = [
    'console=ttyS0 reboot=k panic=1 pci=off',
    ...(rootfs === null ? [] : ['kelpie.root=/dev/vda']),
  ];
  done(await one.put('/machine-config', { vcpu_count: 1, mem_size_mib: MEMORY_MIB_LINUX, ...machine }));
  done(
    await one.put('/boot-source', {
      kernel_image_path: kernel,
      ...(initrd === null ? {} : { initrd_path: initrd }),
      boot_args: words.join(' '),
    }),
  );
  if (rootfs === null) return;
  const root = { drive_id: 'root', path_on_host: rootfs, is_root_device: true, is_read_only: true };
  done(await one.put('/drives/root', root));
}

/** Lets the guest work for a moment. */
export async function letWork({ env }: UnderTest): Promise<void> {
  await env.clock.sleep(WORK_MS);
}

function plainMemoryMib({ plainMemoryMib: asked }: SuiteOptions): number {
  return asked ?? MEMORY_MIB_LINUX;
}

export async function pause(one: UnderTest): Promise<void> {
  done(await one.patch('/vm', { state: 'Paused' }));
}

export async function resume(one: UnderTest): Promise<void> {
  done(await one.patch('/vm', { state: 'Resumed' }));
}

/** Takes a snapshot of a paused machine into `NAME.state` and `NAME.memory` of its folder. */
export async function snapshot(one: UnderTest, name: string, kind: 'Full' | 'Diff' = 'Full'): Promise<void> {
  done(await one.put('/snapshot/create', snapshotRequest(name, kind)));
}

export function snapshotRequest(
  name: string,
  kind: 'Full' | 'Diff' = 'Full',
): Readonly<Record<string, unknown>> {
  return { snapshot_type: kind, snapshot_path: `${name}.state`, mem_file_path: `${name}.memory` };
}

/** The body of a load of a snapshot by that name, from the process's own folder or by absolute paths. */
export function loadRequest(
  name: string,
  more: Readonly<Record<string, unknown>> = {},
): Readonly<Record<string, unknown>> {
  return {
    snapshot_path: `${name}.state`,
    mem_backend: { backend_type: 'File', backend_path: `${name}.memory` },
    ...more,
  };
}

/** A machine that was started, has worked and stands still, with a full snapshot `base` of that moment. */
export async function pausedWithBase(
  world: World,
  machine: Readonly<Record<string, unknown>> = {},
): Promise<UnderTest> {
  const one = await world.launch();
  await start(world, one, machine);
  await letWork(one);
  await pause(one);
  await snapshot(one, 'base');
  return one;
}

/** A fresh process that has the files of the snapshot `base` in its folder. */
export async function freshWithBase(world: World, name = 'vm'): Promise<UnderTest> {
  const one = await world.launch(name);
  await world.base.into(one.folder);
  return one;
}

/** A fresh process in which the snapshot `base` was loaded. */
export async function loadedFromBase(
  world: World,
  more: Readonly<Record<string, unknown>> = {},
): Promise<UnderTest> {
  const one = await freshWithBase(world);
  done(await one.put('/snapshot/load', loadRequest('base', more)));
  return one;
}
