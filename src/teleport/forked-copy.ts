/**
 * One copy of a fork:
 *
 *     planned ──begin──▶ begun ──lay──▶ its files and its record ──start──▶ runs, or has a failure ──end──▶ ended
 *                          └──────────────────┴──discard───────────────────────┴────────────────────────────▶ ended: it never was
 */
import { defined } from '../base/assert.ts';
import { asError } from '../base/errors.ts';
import { makeDurable } from '../env/durable-files.ts';
import { attemptLocally, localFailure } from '../snapshot/local-failure.ts';
import { newOperation } from './new-operation.ts';
import { holdRight } from './hold-right.ts';
import { settleLocal } from './settle-local.ts';
import { startFromSnapshot } from './start-from-snapshot.ts';
import { Stopwatch } from './stopwatch.ts';
import { newVmRecord } from './vm-record.ts';
import type { MemoryImage } from '../snapshot/local-snapshot.ts';
import type { LocalSnapshot } from '../snapshot/local-snapshots.ts';
import type { PortForward, SnapshotMetadata } from '../snapshot/metadata.ts';
import type { ForkOrigin } from './fork-origin.ts';
import type { WantedLease } from './hold-right.ts';
import type { ManagedVm } from './managed-vm.ts';
import type { CreateOperation } from './operations.ts';
import type { OperationOptions } from './source.ts';
import type { TeleportHost } from './teleport-host.ts';
import type { VmRegistry } from './vm-registry.ts';

export interface CopyPlan {
  readonly id: string;
  readonly name: string;
  readonly publish: readonly PortForward[];
  readonly lease: WantedLease | null;
}

/** Each method is called once, in the order of the drawing; `discard` may be called after any, and again. */
export class ForkedCopy {
  readonly id: string;
  readonly name: string;
  readonly #host: TeleportHost;
  readonly #registry: VmRegistry;
  readonly #origin: ForkOrigin;
  readonly #plan: CopyPlan;
  readonly #operation: CreateOperation;
  #isBegun = false;
  #laid: { readonly vm: ManagedVm; readonly snapshot: LocalSnapshot } | null = null;
  #failure: Error | null = null;

  constructor(host: TeleportHost, registry: VmRegistry, origin: ForkOrigin, plan: CopyPlan) {
    this.id = plan.id;
    this.name = plan.name;
    this.#host = host;
    this.#registry = registry;
    this.#origin = origin;
    this.#plan = plan;
    this.#operation = { ...newOperation(host, plan), kind: 'create' };
  }

  /** Why it does not run; null while nothing has failed. */
  get failure(): Error | null {
    return this.#failure;
  }

  get vm(): ManagedVm {
    return defined(this.#laid, 'the copy was laid').vm;
  }

  /** What it begins with. */
  get snapshot(): LocalSnapshot {
    return defined(this.#laid, 'the copy was laid').snapshot;
  }

  async begin(): Promise<void> {
    await this.#host.journal.begin(this.#operation);
    this.#isBegun = true;
  }

  /** Makes it a VM that is stopped, with a snapshot of its own. @param origin that of the VM it is of, or of this copy, where it was brought already. */
  async lay(origin: LocalSnapshot): Promise<void> {
    const metadata = this.#describe(origin.metadata);
    await this.#layFiles(origin, metadata);
    const snapshot = await this.#host.snapshots.complete({ ...origin, metadata });
    const vm = await this.#registry.add(
      newVmRecord({
        id: this.id,
        config: metadata.config,
        createdAtUnixMs: this.#operation.startedAtUnixMs,
        state: 'stopped',
        backend: metadata.machine.backend,
        generation: metadata.guest.generation,
        snapshotId: metadata.snapshotId,
        disk: snapshot.disk,
        forkedFrom: {
          vmId: this.#origin.vmId,
          vmName: this.#origin.vmName,
          snapshotId: metadata.snapshotId,
          machineId: this.#host.env.random.uuid().replaceAll('-', ''),
        },
      }),
    );
    this.#laid = { vm, snapshot };
  }

  /** Never throws: a copy that cannot be started keeps none of the others from running. @param memory that can be mapped. */
  async start({ mappable }: MemoryImage, { listener, signal }: OperationOptions): Promise<void> {
    const { vm, snapshot } = this;
    const { lease } = this.#plan;
    try {
      if (lease !== null) await holdRight(this.#host, vm, lease);
      await startFromSnapshot(
        this.#host,
        vm,
        { ...snapshot, memory: { ...snapshot.memory, mappable } },
        {
          // Of many copies at once, phases tell nothing.
          listener: { progress: () => undefined, notice: (text) => listener.notice(text) },
          signal,
          times: new Stopwatch(this.#host.env.clock),
          // Loading may take longer than a lease.
          beforeResume: () => this.#host.leases.secure(vm),
        },
      );
    } catch (error) {
      this.#fail(error);
    }
  }

  /** It stands from here on, or it never was. */
  async end(): Promise<void> {
    if (this.#failure === null) {
      try {
        // That it runs may not be on the disk yet: without its entry, the record alone says what it is.
        await this.vm.save();
        await this.#host.journal.remove(this.#operation);
        this.#isBegun = false;
      } catch (error) {
        this.#fail(error);
      }
    }
    await this.discard();
  }

  /** Removes it, unless it has ended. What cannot be removed now is held, and tried again by the daemon. */
  async discard(): Promise<void> {
    if (!this.#isBegun) return;
    this.#isBegun = false;
    try {
      await settleLocal(this.#host, this.#registry, this.#operation);
    } catch (error) {
      this.#host.hold(this.#operation, error);
    }
  }

  #fail(error: unknown): void {
    this.#failure = asError(localFailure(error, `start "${this.name}"`));
  }

  #describe(origin: SnapshotMetadata): SnapshotMetadata {
    const { name, publish } = this.#plan;
    const isHere = origin.vmId === this.id;
    return {
      ...origin,
      vmId: this.id,
      snapshotId: isHere ? origin.snapshotId : this.#host.env.random.uuid(),
      parentId: null,
      kind: 'suspend',
      message: `forked from ${this.#origin.vmName}`,
      config: { ...origin.config, name, publish },
    };
  }

  async #layFiles(origin: LocalSnapshot, { vmId, snapshotId }: SnapshotMetadata): Promise<void> {
    const { snapshots, env } = this.#host;
    // It was fetched as this copy's.
    if (origin.metadata.vmId === vmId) return;
    const directory = await snapshots.prepare(vmId, snapshotId);
    await attemptLocally('write down the copy', async () => {
      for (const name of ['device-state', 'memory.map']) {
        await env.files.clone(`${origin.directory}/${name}`, `${directory}/${name}`);
        await makeDurable(env.files, `${directory}/${name}`);
      }
    });
  }
}
