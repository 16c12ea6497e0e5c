/**
 * A VM becomes several: copies that go on from one instant of it, each a VM of its own.
 *
 *     intents ─▶ origin: a VM, paused for a snapshot; a snapshot; a package ─▶ files of each copy ─▶ memory ─▶ each copy is loaded, named, runs ─▶ ended
 *        └──────────────────────────┴─────────────────────────────────────────────┴───────────────┴─ canceled, none runs: no copy ever was
 *                                                                                                 └─ some could not be started: removed, and told
 *
 * Memory and disk are not copied: each copy maps the same memory file privately, and has a disk layer of its own above the same frozen ones. A copy has
 * a new id, and so no store knows of it yet, and nothing changes in the record of the VM that it is of. Before a command runs in it, its guest
 * was given the time, randomness and a generation, and a hostname and a machine-id of its own.
 *
 * In the journal each copy has an entry until all have their end, and a crash takes the same way back as a failure: it removes them. The VM that they are of goes on
 * in any case. Progress phases: those of the origin, `files`, `memory`, `start`.
 */
import { throwIfCanceled } from '../base/cancel.ts';
import { defined } from '../base/assert.ts';
import { inParallel } from '../base/in-parallel.ts';
import { ForkedCopy } from './forked-copy.ts';
import { mappableMemory, rememberMappable } from './start-from-snapshot.ts';
import { Stopwatch } from './stopwatch.ts';
import type { ForkOrigin } from './fork-origin.ts';
import type { CopyPlan } from './forked-copy.ts';
import type { ManagedVm } from './managed-vm.ts';
import type { OperationOptions } from './source.ts';
import type { TeleportHost } from './teleport-host.ts';
import type { VmRegistry } from './vm-registry.ts';

/** Copies that are written down, or removed, at once: it is the disk that takes time. */
const FILES_AT_ONCE = 8;
const STARTS_AT_ONCE = 4;

export interface Forked {
  readonly vms: readonly ManagedVm[];
  /** Those that could not be started, and are gone. */
  readonly failed: readonly { readonly name: string; readonly error: Error }[];
  readonly timings: Readonly<Record<string, number>>;
}

/**
 * Called by whoever keeps the ids and names of the copies from others.
 * @throws KelpieError when no copy runs, with why the first one does not, and `canceled`: then there is none.
 */
export async function fork(
  host: TeleportHost,
  registry: VmRegistry,
  origin: ForkOrigin,
  plans: readonly CopyPlan[],
  options: OperationOptions,
): Promise<Forked> {
  const times = new Stopwatch(host.env.clock);
  const copies = plans.map((plan) => new ForkedCopy(host, registry, origin, plan));
  const ids = copies.map(({ id }) => id);
  try {
    await inParallel(copies, FILES_AT_ONCE, (copy) => copy.begin());
    await origin.withSnapshot(ids, { ...options, times }, async (snapshot) => {
      options.listener.progress('files');
      await times.measure('files', () => inParallel(copies, FILES_AT_ONCE, (copy) => copy.lay(snapshot)));
    });
    await startAll(host, copies, times, options);
    throwIfCanceled(options.signal, 'the fork');
    return { ...(await conclude(copies)), timings: times.all };
  } catch (error) {
    await inParallel(copies, FILES_AT_ONCE, (copy) => copy.discard());
    throw error;
  }
}

/** Of one memory file: it is laid out once, and becomes durable when the copies run already. */
async function startAll(
  host: TeleportHost,
  copies: readonly ForkedCopy[],
  times: Stopwatch,
  options: OperationOptions,
): Promise<void> {
  const { snapshot } = defined(copies[0], 'a fork makes at least one copy');
  const memory = await times.measure('memory', () => mappableMemory(host, snapshot, options));
  let started = 0;
  const tell = (): void => options.listener.progress('start', `${started} of ${copies.length}`);
  tell();
  await times.measure('start', () =>
    inParallel(copies, STARTS_AT_ONCE, async (copy) => {
      await copy.start(memory, options);
      started += 1;
      tell();
    }),
  );
  if (snapshot.memory.mappable !== null) return;
  for (const copy of copies)
    if (copy.failure === null) host.later(copy.id, () => rememberMappable(host, copy.snapshot, memory));
}

/** @throws why the first copy could not be started, when none was. */
async function conclude(copies: readonly ForkedCopy[]): Promise<Omit<Forked, 'timings'>> {
  await inParallel(copies, FILES_AT_ONCE, (copy) => copy.end());
  const failed = copies.flatMap(({ name, failure }) => (failure === null ? [] : [{ name, error: failure }]));
  const [first] = failed;
  if (first !== undefined && failed.length === copies.length) throw first.error;
  return { vms: copies.flatMap(({ failure, vm }) => (failure === null ? [vm] : [])), failed };
}
