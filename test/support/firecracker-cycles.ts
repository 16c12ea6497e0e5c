/**
 * VMs of the Firecracker backend, started and stopped many times over, and everything of this host looked through for what is left: processes, sockets,
 * files, network devices, control groups, namespaces, mounts, and descriptors of this process, which stands for the daemon.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createNodeEnv } from '../../src/env/node/env.ts';
import { diskLayerPath } from '../../src/snapshot/local-snapshot.ts';
import { createFirecrackerBackend } from '../../src/vm/firecracker/backend.ts';
import type { FirecrackerBackendOptions } from '../../src/vm/firecracker/backend.ts';
import { findNetwork } from '../../src/vm/firecracker/network.ts';
import { nameOnHost } from '../../src/vm/firecracker/process-places.ts';
import { cagedOptions } from './caged-firecracker.ts';
import { eventually } from './eventually.ts';
import { isGone } from './host-processes.ts';
import { makeNetworkNamespace } from './network-namespace.ts';
import { standInOptions } from './stand-in-options.ts';
import { VmWorld } from './vm-world.ts';
import type { VmInWorld } from './vm-world.ts';

/** What the kernel takes to forget what was killed, on a machine that is busy, or stands still. */
const GONE_TIMEOUT_MS = 60_000;
const CONTROL_GROUPS = '/sys/fs/cgroup';
const namespaceKinds = ['net', 'user', 'mnt', 'pid'] as const;

export type CycleForm = 'free' | 'in a cage, with a TAP' | 'with a network without rights';

/** Those that this user can have on this machine. */
export async function cycleForms(): Promise<readonly CycleForm[]> {
  const forms: CycleForm[] = ['free'];
  const namespace = process.getuid?.() === 0 ? await makeNetworkNamespace() : null;
  if (namespace !== null) forms.push('in a cage, with a TAP');
  namespace?.close();
  const network = await findNetwork(createNodeEnv(), { kind: 'user' });
  if (network.kind === 'user') forms.push('with a network without rights');
  return forms;
}

/**
 * Each is a restore of one snapshot into a process of its own, an answer of the guest, and an end by force.
 * @returns how long each took, in milliseconds.
 * @throws AssertionError naming what one of them has left.
 */
export async function runCycles(form: CycleForm, cycles: number): Promise<readonly number[]> {
  const namespace = form === 'in a cage, with a TAP' ? await makeNetworkNamespace() : null;
  const options = optionsOf(form, namespace?.path ?? null);
  const world = await VmWorld.create(
    createNodeEnv(),
    (env, cacheDirectory) =>
      createFirecrackerBackend(env, { cacheDirectory, program: standInOptions.binary, ...options }),
    { memoryMib: 256, portability: 'host' },
  );
  try {
    const booted = await world.boot();
    const snapshot = await world.snapshot(booted, { resume: false });
    const request = await world.restoreRequest(snapshot);
    await booted.vm.stop({ force: true });
    const cycle = async (): Promise<void> => {
      const made = await world.make();
      const before = await filesOf(world);
      await made.vm.restore(request);
      const own = namespacesOf(made.vm.runtime?.process.pid ?? 0, namespace?.path ?? '/proc/self/ns/net');
      await world.run(made, 'true');
      const disk = made.vm.runtime?.disk.at(-1);
      await made.vm.stop({ force: true });
      await world.letGo(made);
      assert.ok(disk !== undefined);
      await rm(diskLayerPath(world.blobDirectory, disk));
      const left = async (): Promise<readonly string[]> =>
        await remains(world, made, { own, before, namespace: namespace?.path ?? null });
      await eventually(async () => (await left()).length === 0, 'nothing is left:', left, GONE_TIMEOUT_MS);
    };
    // The first one opens what stays open for all: pipes of the runtime.
    await cycle();
    const descriptors = readdirSync('/proc/self/fd').length;
    const took: number[] = [];
    for (let done = 0; done < cycles; done += 1) {
      const startMs = performance.now();
      await cycle();
      took.push(performance.now() - startMs);
    }
    await eventually(
      () => readdirSync('/proc/self/fd').length <= descriptors,
      `no more than ${descriptors} descriptors are open`,
    );
    return took;
  } finally {
    await world.close();
    namespace?.close();
  }
}

function optionsOf(form: CycleForm, namespace: string | null): Partial<FirecrackerBackendOptions> {
  if (form === 'with a network without rights') return { network: { kind: 'user' } };
  return namespace === null ? {} : cagedOptions({ path: namespace });
}

/** Of the VMs' disks and memories, and of what the backend keeps for itself. */
async function filesOf(world: VmWorld): Promise<readonly string[]> {
  return (await readdir(world.directory, { recursive: true })).toSorted();
}

interface Before {
  /** The namespaces that its process was in, and this one is not. */
  readonly own: ReadonlySet<string>;
  readonly before: readonly string[];
  /** Where its network device was; null: it had none there. */
  readonly namespace: string | null;
}

async function remains(
  world: VmWorld,
  ended: VmInWorld,
  { own, before, namespace }: Before,
): Promise<readonly string[]> {
  const { runDirectory } = ended.places;
  const files = await filesOf(world);
  const name = nameOnHost(world.env.compute, runDirectory);
  const tables = ['/proc/net/unix', '/proc/self/mounts'].flatMap((path) =>
    readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => line.includes(`${runDirectory}/`)),
  );
  const groups = await readdir(CONTROL_GROUPS, { recursive: true });
  return [
    ...(await world.leftovers(ended)),
    ...files.filter((file) => !before.includes(file)),
    ...tables,
    ...processesIn(own),
    ...groups.filter((group) => group.endsWith(`/${name}`)),
    ...(namespace === null ? [] : devicesIn(namespace)),
  ];
}

function devicesIn(namespace: string): readonly string[] {
  const listed = execFileSync('nsenter', [`--net=${namespace}`, 'ip', '-br', 'link'], { encoding: 'utf8' });
  return listed.match(/^kelpie\w+/gm) ?? [];
}

/** Those of a process alone, by what the kernel calls them. @param given the namespace that was made for it. */
function namespacesOf(pid: number, given: string): ReadonlySet<string> {
  const names = (of: string): readonly string[] =>
    namespaceKinds.map((kind) => readlinkSync(`/proc/${of}/ns/${kind}`));
  const others = new Set([...names('self'), readlinkSync(given)]);
  return new Set(names(String(pid)).filter((name) => !others.has(name)));
}

/** Processes that keep one of the namespaces alive. */
function processesIn(namespaces: ReadonlySet<string>): readonly string[] {
  if (namespaces.size === 0) return [];
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name) && isIn(name, namespaces));
}

function isIn(pid: string, namespaces: ReadonlySet<string>): boolean {
  try {
    return namespaceKinds.some((kind) => namespaces.has(readlinkSync(join('/proc', pid, 'ns', kind))));
  } catch (error) {
    if (isGone(error) || (error instanceof Error && 'code' in error && error.code === 'EACCES')) return false;
    throw error;
  }
}
