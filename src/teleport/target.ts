/**
 * Teleport, the side that takes: a VM at rest in a store is claimed and runs here.
 *
 *     find ─▶ check ─▶ fetch ─▶ CLAIM ─▶ load, check the claim, go on, repair ─▶ done
 *      │        │        │        │                     │                         └ the record says: runs here
 *      └────────┴────────┘        └──────────┬──────────┘
 *       nothing outside was touched    any failure: ended here, at rest again in the same package
 *
 * Progress phases: `check`, `image`, `download`, `claim`, then those of `start-from-snapshot.ts`.
 */
import { throwIfCanceled } from '../base/cancel.ts';
import { KelpieError } from '../base/errors.ts';
import { fetchSnapshot } from './fetch-snapshot.ts';
import { ensureImage } from './image-transfer.ts';
import { findAtRest } from './find-at-rest.ts';
import { nextRecord, ownedElsewhere, swap } from './ownership.ts';
import { settleClaim } from './settle-claim.ts';
import { startFromSnapshot } from './start-from-snapshot.ts';
import { Stopwatch } from './stopwatch.ts';
import { newVmRecord, standingOf } from './vm-record.ts';
import type { LocalSnapshot } from '../snapshot/local-snapshots.ts';
import type { PortForward, VmConfig } from '../snapshot/metadata.ts';
import type { AtRest } from './find-at-rest.ts';
import type { HeldRight } from './vm-record.ts';
import type { ManagedVm } from './managed-vm.ts';
import type { ClaimOperation } from './operations.ts';
import type { OperationOptions } from './source.ts';
import type { Store } from '../store/open-store.ts';
import type { TeleportHost } from './teleport-host.ts';
import type { VmRegistry } from './vm-registry.ts';

export interface ClaimRequest {
  readonly storeUrl: string;
  /** Name or id; or the package, or both. */
  readonly vm: string | null;
  readonly packageId: string | null;
  readonly name: string | null;
  readonly publish: readonly PortForward[] | null;
  /** The right is taken as a lease of this length; null: until it is given away. */
  readonly leaseMs: number | null;
}

export interface ClaimResult {
  readonly vm: ManagedVm;
  readonly timings: Readonly<Record<string, number>>;
  /** What really came over the wire. */
  readonly downloadedBytes: number;
}

/** What the daemon adds: the VM's lock, once it is known which VM it is, and the checks that need all VMs of the host. */
export interface ClaimGuard {
  /** Holds the VM's lock while `act` runs. @throws KelpieError `vm_busy`. */
  whileLocked<T>(vmId: string, act: () => Promise<T>): Promise<T>;
  /** @throws KelpieError `name_taken`, `port_taken`, `restore_incompatible`, with all reasons. */
  admit(found: AtRest, config: VmConfig): Promise<void>;
}

/** One restore from a store; `run` is called once. */
export class TeleportIn {
  readonly #host: TeleportHost;
  readonly #registry: VmRegistry;
  readonly #request: ClaimRequest;
  readonly #guard: ClaimGuard;
  readonly #options: OperationOptions;
  readonly #times: Stopwatch;

  constructor(
    host: TeleportHost,
    registry: VmRegistry,
    request: ClaimRequest,
    guard: ClaimGuard,
    options: OperationOptions,
  ) {
    this.#host = host;
    this.#registry = registry;
    this.#request = request;
    this.#guard = guard;
    this.#options = options;
    this.#times = new Stopwatch(host.env.clock);
  }

  async run(): Promise<ClaimResult> {
    this.#options.listener.progress('check');
    const store = await this.#host.openStore(this.#request.storeUrl);
    const found = await this.#times.measure('find', () =>
      findAtRest(store, this.#host.identity.id, this.#request),
    );
    return this.#guard.whileLocked(found.package.metadata.vmId, () => this.#runLocked(store, found));
  }

  async #runLocked(store: Store, found: AtRest): Promise<ClaimResult> {
    const config = this.#configHere(found.package.metadata.config);
    this.#checkLocal(found);
    await this.#phase('check', () => this.#guard.admit(found, config));
    await this.#phase('image', () => ensureImage(this.#host, found.open, this.#options));
    let operation = this.#intent(found);
    await this.#host.journal.begin(operation);
    const step = async (name: ClaimOperation['step']): Promise<void> => {
      throwIfCanceled(this.#options.signal, 'the restore');
      operation = { ...operation, step: name };
      await this.#host.journal.write(operation);
    };
    try {
      const vm = await this.#record(found, config);
      // A copy from before it left: the package is the truth, and only what comes from there was checked.
      await this.#host.snapshots.delete(vm.id, operation.snapshotId);
      const { snapshot, download, downloadedBytes } = await this.#phase('download', async () =>
        fetchSnapshot(this.#host, found.open, await store.id(), this.#options),
      );
      await step('claiming');
      await this.#phase('claim', () => this.#claim(store, found, operation));
      await step('claimed');
      await this.#start(store, vm, snapshot, operation);
      await this.#host.journal.remove(operation);
      this.#host.later(vm.id, () => download.forget());
      return { vm, timings: this.#times.all, downloadedBytes };
    } catch (error) {
      await this.#settle(operation);
      throw error;
    }
  }

  /** @throws KelpieError when a VM of this id is here and has not departed, or its record cannot be read. */
  #checkLocal(found: AtRest): void {
    const { vmId } = found.package.metadata;
    const unreadable = this.#registry.damaged.find(({ id }) => id === vmId);
    // It may run here, or be another host's by what its record says.
    if (unreadable !== undefined) throw new KelpieError('io_failed', unreadable.reason);
    const local = this.#registry.byId(vmId);
    if (local === undefined || local.record.departed !== null) return;
    throw new KelpieError(
      'vm_owned_elsewhere',
      `"${local.name}" is on this host and did not come from this store: remove it first.`,
    );
  }

  #configHere(config: VmConfig): VmConfig {
    return {
      ...config,
      name: this.#request.name ?? config.name,
      publish: this.#request.publish ?? config.publish,
    };
  }

  #intent(found: AtRest): ClaimOperation {
    const { metadata } = found.package;
    const local = this.#registry.byId(metadata.vmId);
    return {
      kind: 'claim',
      id: this.#host.env.random.uuid(),
      vmId: metadata.vmId,
      vmName: metadata.config.name,
      startedAtUnixMs: Math.round(this.#host.env.clock.wallMs()),
      step: 'fetching',
      storeUrl: this.#request.storeUrl,
      packageId: found.package.id,
      snapshotId: metadata.snapshotId,
      claimEpoch: found.record.epoch + 1,
      before: local === undefined ? null : standingOf(local.record),
    };
  }

  /** The VM's record, with a tombstone until the claim is won and the VM runs: a crash in between cannot bring it to life. */
  async #record(found: AtRest, config: VmConfig): Promise<ManagedVm> {
    const { metadata } = found.package;
    const departed = {
      storeUrl: this.#request.storeUrl,
      packageId: found.package.id,
      epoch: found.record.epoch,
      reclaimedBy: null,
    };
    const local = this.#registry.byId(metadata.vmId);
    if (local !== undefined) {
      await local.update({ departed, config });
      return local;
    }
    const record = newVmRecord({
      id: metadata.vmId,
      config,
      createdAtUnixMs: Math.round(this.#host.env.clock.wallMs()),
      state: 'stopped',
      generation: metadata.guest.generation,
      departed,
    });
    return this.#registry.add(record);
  }

  async #claim(store: Store, found: AtRest, operation: ClaimOperation): Promise<void> {
    const { leaseMs } = this.#request;
    const next = nextRecord(this.#host, operation, found.record, {
      epoch: operation.claimEpoch,
      state: {
        state: 'running',
        owner: this.#host.identity.id,
        packageId: operation.packageId,
        lease: leaseMs === null ? null : { durationMs: leaseMs },
      },
    });
    const outcome = await swap(this.#host, store.ownership, found.record, next);
    if (outcome.isWon) return;
    if (outcome.current === null)
      throw new KelpieError('store_conflict', `the store's record of "${operation.vmName}" vanished.`);
    throw ownedElsewhere(outcome.current, operation.vmName);
  }

  async #start(
    store: Store,
    vm: ManagedVm,
    snapshot: LocalSnapshot,
    operation: ClaimOperation,
  ): Promise<void> {
    const right = this.#right(operation);
    // Renewed from here on. Before anything runs, so that whatever becomes of this process, nothing outlives the lease.
    if (right.leaseMs !== null) await this.#host.leases.secure(vm, right);
    await startFromSnapshot(this.#host, vm, snapshot, {
      ...this.#options,
      times: this.#times,
      beforeResume: async () => {
        const record = await store.ownership.read(vm.id);
        const isOurs =
          record?.state === 'running' &&
          record.owner === this.#host.identity.id &&
          record.epoch === operation.claimEpoch;
        if (!isOurs)
          throw new KelpieError('vm_owned_elsewhere', `"${vm.name}" was taken by another host meanwhile.`);
        // Again, since loading may take longer than a lease.
        if (right.leaseMs !== null) await this.#host.leases.secure(vm, right);
      },
    });
    await vm.update({
      snapshotId: snapshot.metadata.snapshotId,
      departed: null,
      ownership: right,
    });
  }

  #right({ storeUrl, claimEpoch }: ClaimOperation): HeldRight {
    return { storeUrl, epoch: claimEpoch, leaseMs: this.#request.leaseMs, leasePause: 'none' };
  }

  async #settle(operation: ClaimOperation): Promise<void> {
    try {
      await settleClaim(this.#host, this.#registry, operation);
    } catch (error) {
      this.#host.hold(operation, error);
    }
  }

  async #phase<T>(name: string, act: () => Promise<T>): Promise<T> {
    throwIfCanceled(this.#options.signal, 'the restore');
    this.#options.listener.progress(name);
    return this.#times.measure(name, act);
  }
}
