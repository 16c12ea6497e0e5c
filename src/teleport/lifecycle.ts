/** A VM's life on one host: created, started, stopped, removed. Each is called by whoever holds the VM's lock. */
import { KelpieError } from '../base/errors.ts';
import { holdRight } from './hold-right.ts';
import { journaled } from './journaled.ts';
import { newOperation } from './new-operation.ts';
import { newVmRecord, standingOf } from './vm-record.ts';
import type { VmRecord } from './vm-record.ts';
import { Stopwatch } from './stopwatch.ts';
import { illegal } from '../vm/state.ts';
import { storeToTell, tellRemoved } from './tell-removed.ts';
import type { WantedLease } from './hold-right.ts';
import type { StartProgress } from '../vm/instance.ts';
import type { ManagedVm } from './managed-vm.ts';
import type { OperationOptions } from './source.ts';
import type { TeleportHost } from './teleport-host.ts';
import type { VmRegistry } from './vm-registry.ts';

export interface Started {
  readonly vm: ManagedVm;
  readonly timings: Readonly<Record<string, number>>;
}

/** What a new VM will be. */
export interface NewVm extends Pick<VmRecord, 'id' | 'config'> {
  readonly backend?: VmRecord['backend'];
  /** Held from its creation on. */
  readonly lease?: WantedLease | null;
}

/** A new VM, booted until its guest agent answers. On failure there is no VM. Progress phases: `lease`, then the backend's. */
export async function createVm(
  host: TeleportHost,
  registry: VmRegistry,
  { id, config, backend = null, lease = null }: NewVm,
  options: OperationOptions,
): Promise<Started> {
  const operation = { ...newOperation(host, { id, name: config.name }), kind: 'create' } as const;
  return journaled(host, registry, operation, async () => {
    const vm = await registry.add(
      newVmRecord({ id, config, backend, createdAtUnixMs: operation.startedAtUnixMs }),
    );
    if (lease !== null) {
      options.listener.progress('lease');
      await holdRight(host, vm, lease);
    }
    return bootVm(host, vm, options);
  });
}

/** Boots a stopped or crashed VM from its disk. On failure it is as before. */
export async function startVm(
  host: TeleportHost,
  registry: VmRegistry,
  vm: ManagedVm,
  options: OperationOptions,
): Promise<Started> {
  requireNotLive(vm, 'start');
  requireAwake(vm, 'start');
  await host.leases.secure(vm);
  const operation = { ...newOperation(host, vm), kind: 'start', before: standingOf(vm.record) } as const;
  return journaled(host, registry, operation, () => bootVm(host, vm, options));
}

/** @throws KelpieError for a VM that sleeps: a boot from its disk would forget what it was about. */
function requireAwake(vm: ManagedVm, act: string): void {
  if (vm.record.state === 'suspended') throw illegal(vm.name, 'suspended', act);
}

/** Boots a VM that does not run, as part of an operation that ends it again when it fails. Progress phases: the backend's. */
export async function bootVm(
  host: TeleportHost,
  vm: ManagedVm,
  { listener, signal }: OperationOptions,
): Promise<Started> {
  const times = new Stopwatch(host.env.clock);
  const marks = new PhaseMarks(times, host, listener.progress.bind(listener));
  const { disk, backend } = vm.record;
  const instance = await vm.prepareInstance(backend);
  await instance.start({ disk, signal, onProgress: (progress) => marks.enter(progress.phase) });
  marks.end();
  await vm.save();
  return { vm, timings: times.all };
}

/** Times of phases that only tell when they begin. */
class PhaseMarks {
  readonly #times: Stopwatch;
  readonly #host: TeleportHost;
  readonly #tell: (phase: string) => void;
  #phase: { readonly name: StartProgress['phase']; readonly startedMs: number } | null = null;

  constructor(times: Stopwatch, host: TeleportHost, tell: (phase: string) => void) {
    this.#times = times;
    this.#host = host;
    this.#tell = tell;
  }

  enter(name: StartProgress['phase']): void {
    this.end();
    this.#phase = { name, startedMs: this.#host.env.clock.monotonicMs() };
    this.#tell(name);
  }

  end(): void {
    if (this.#phase !== null)
      this.#times.set(`${this.#phase.name}Ms`, this.#host.env.clock.monotonicMs() - this.#phase.startedMs);
    this.#phase = null;
  }
}

/** A paused VM goes on, if this host may still run it. */
export async function resumeVm(host: TeleportHost, vm: ManagedVm): Promise<void> {
  const instance = vm.requireLive('resume');
  await host.leases.secure(vm);
  await instance.resume();
  const { ownership } = vm.record;
  if (ownership !== null && ownership.leasePause !== 'none')
    await vm.update({ ownership: { ...ownership, leasePause: 'none' }, reason: null });
}

/** Powers a live VM off. Its disk and snapshots stay. */
export async function stopVm(
  host: TeleportHost,
  registry: VmRegistry,
  vm: ManagedVm,
  force: boolean,
): Promise<void> {
  const instance = vm.requireLive('stop');
  const operation = { ...newOperation(host, vm), kind: 'stop' } as const;
  await journaled(host, registry, operation, async () => {
    await instance.stop({ force });
    await vm.markDead('stopped', null);
    await vm.release();
  });
}

/** @throws KelpieError when the VM departed or a process of it exists. */
export function requireNotLive(vm: ManagedVm, act: string): void {
  vm.requireHere(act);
  if (!vm.isLive) return;
  const { state } = vm.record;
  throw new KelpieError('invalid_state', `cannot ${act} "${vm.name}": it is ${state}; stop it first.`, {
    data: { state, act },
  });
}

/**
 * Removes a VM with its disk and snapshots. The store that it came from is told, and must answer before anything is
 * touched unless `force` is given.
 */
export async function removeVm(
  host: TeleportHost,
  registry: VmRegistry,
  vm: ManagedVm,
  force: boolean,
): Promise<void> {
  if (!force) {
    if (vm.isLive) requireNotLive(vm, 'remove');
    await storeToTell(host, vm);
  }
  const operation = { ...newOperation(host, vm), kind: 'remove' } as const;
  await journaled(host, registry, operation, async () => {
    await vm.kill();
    // Not before: a crash in between would leave a VM that runs and may never leave this host again.
    await tellRemoved(host, vm);
    await registry.remove(vm.id);
  });
}
