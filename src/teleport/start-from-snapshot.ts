/** A snapshot of this host becomes a running VM: the common end of every restore. */
import { defined } from '../base/assert.ts';
import { KelpieError } from '../base/errors.ts';
import { makeDurable } from '../env/durable-files.ts';
import { pageFilePath } from '../snapshot/local-snapshot.ts';
import { materializeMemory } from '../snapshot/materialize.ts';
import { readPageMap } from '../snapshot/read-page-map.ts';
import type { MemoryImage } from '../snapshot/local-snapshot.ts';
import type { LocalSnapshot } from '../snapshot/local-snapshots.ts';
import type { GuestNames } from '../vm/instance.ts';
import type { ManagedVm } from './managed-vm.ts';
import type { OperationOptions } from './source.ts';
import type { Stopwatch } from './stopwatch.ts';
import type { TeleportHost } from './teleport-host.ts';

export interface StartFromSnapshotOptions extends OperationOptions {
  readonly times: Stopwatch;
  /** The last chance to refuse, when all is loaded. */
  readonly beforeResume?: () => Promise<void>;
}

/**
 * Resolves with the VM running and its guest repaired. The generation grows first, so that no two attempts share one. On
 * failure nothing of the VM runs. Progress phases: `memory`, then the backend's (`process`, `load`, `guest`).
 */
export async function startFromSnapshot(
  host: TeleportHost,
  vm: ManagedVm,
  snapshot: LocalSnapshot,
  options: StartFromSnapshotOptions,
): Promise<void> {
  const { listener, signal, times, beforeResume } = options;
  checkArchitecture(vm, snapshot);
  const memory = await times.measure('memory', () => mappableMemory(host, snapshot, options));
  const names = namesFor(vm, snapshot);
  const generation = Math.max(vm.record.generation, snapshot.metadata.guest.generation) + 1;
  // It must be durable before the guest goes on: until then its process is started beside it.
  const generationKept = vm.update({ generation });
  generationKept.catch(() => undefined);
  const instance = await vm.prepareInstance(snapshot.metadata.machine.backend);
  const { clockStepMs: _, ...durations } = await instance.restore({
    machine: snapshot.metadata.machine,
    deviceStatePath: snapshot.deviceStatePath,
    memory,
    disk: snapshot.disk,
    generation,
    ...(names === null ? {} : { names }),
    signal,
    onProgress: ({ phase }) => listener.progress(phase),
    beforeResume: async () => {
      await generationKept;
      await beforeResume?.();
    },
  });
  for (const [name, durationMs] of Object.entries(durations)) times.set(name, durationMs);
  if (snapshot.memory.mappable === null) host.later(vm.id, () => rememberMappable(host, snapshot, memory));
}

/** In the snapshot that a copy began with, its guest has the names of the VM that it is a copy of. */
function namesFor({ name, record }: ManagedVm, { metadata }: LocalSnapshot): GuestNames | null {
  const { forkedFrom } = record;
  if (forkedFrom === null || forkedFrom.snapshotId !== metadata.snapshotId) return null;
  return { hostname: name, machineId: forkedFrom.machineId };
}

function checkArchitecture(vm: ManagedVm, snapshot: LocalSnapshot): void {
  const { config } = snapshot.metadata;
  if (
    config.architecture === vm.record.config.architecture &&
    config.memoryMib === vm.record.config.memoryMib
  )
    return;
  throw new KelpieError(
    'snapshot_corrupt',
    `snapshot ${snapshot.metadata.snapshotId} is of another machine than "${vm.name}".`,
  );
}

/** The memory with a file that can be mapped, which may have to be made: it is not durable then. */
export async function mappableMemory(
  host: TeleportHost,
  snapshot: LocalSnapshot,
  options: OperationOptions,
): Promise<MemoryImage> {
  if (snapshot.memory.mappable !== null) return snapshot.memory;
  options.listener.progress('memory');
  const { env, places } = host;
  const map = await readPageMap(env, snapshot.memory.mapPath);
  const pathOf = (id: string): string => pageFilePath(places.blobDirectory, id);
  const mappable = env.random.uuid();
  await materializeMemory(env, map, pathOf, pathOf(mappable), options.signal);
  return { ...snapshot.memory, mappable };
}

/** The next restore of this snapshot need not lay its memory out again. It costs a sync, so it comes when the VM runs already. */
export async function rememberMappable(
  host: TeleportHost,
  snapshot: LocalSnapshot,
  { mappable }: MemoryImage,
): Promise<void> {
  const id = defined(mappable, 'the file that was just made');
  await makeDurable(host.env.files, pageFilePath(host.places.blobDirectory, id));
  const { vmId, snapshotId } = snapshot.metadata;
  await host.snapshots.setMappable(await host.snapshots.read(vmId, snapshotId), id);
}
