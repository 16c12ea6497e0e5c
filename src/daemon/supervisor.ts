/**
 * The VMs of this host and what is being done to them.
 *
 *     operate(vm) ──lock free──▶ runs ──done or settled──▶ lock free
 *         └──lock taken──▶ vm_busy      └──cannot be settled now──▶ held: tried again until it is; the lock stays taken
 */
import { throwIfCanceled } from '../base/cancel.ts';
import { KelpieError, asError } from '../base/errors.ts';
import { openStore } from '../store/open-store.ts';
import { collectBlobs } from '../snapshot/collect-blobs.ts';
import { localFailure } from '../snapshot/local-failure.ts';
import { LocalSnapshots } from '../snapshot/local-snapshots.ts';
import { Journal } from '../teleport/journal.ts';
import { Leases } from '../teleport/leases.ts';
import { findAgain, goOn, recover, settle } from '../teleport/recovery.ts';
import { supersede } from '../teleport/supersede.ts';
import { sweepAside } from '../teleport/set-aside.ts';
import { ToldStores } from '../teleport/told-stores.ts';
import { sweepDownloads } from '../teleport/sweep-downloads.ts';
import { VmRegistry } from '../teleport/vm-registry.ts';
import { VmFactory } from '../vm/factory.ts';
import { BlobGate } from './blob-gate.ts';
import { OPERATIONS_MAX, SHUTDOWN_WAIT_MS } from './limits.ts';
import { Retries } from './retries.ts';
import { usedByVms } from './snapshot-space.ts';
import { VmLocks } from './vm-locks.ts';
import type { SourceHostFacts } from '../snapshot/metadata.ts';
import type { OwnershipRecord } from '../store/ownership-records.ts';
import type { Store } from '../store/open-store.ts';
import type { Env } from '../env/env.ts';
import type { DiskImages } from '../teleport/disk-images.ts';
import type { HostPlaces } from '../teleport/host-places.ts';
import type { Operation } from '../teleport/operations.ts';
import type { ManagedVm } from '../teleport/managed-vm.ts';
import type { Log, TeleportHost } from '../teleport/teleport-host.ts';
import type { VmBackend } from '../vm/instance.ts';
import type { HostIdentity } from './host-identity.ts';

export interface SupervisorOptions {
  readonly env: Env;
  readonly places: HostPlaces;
  readonly identity: HostIdentity;
  readonly facts: SourceHostFacts;
  readonly log: Log;
  /** In the order of preference; those that cannot be used are here too, for `doctor`. */
  readonly backends: readonly VmBackend[];
  /** The only one that new VMs are made on, unless they ask for another; absent: whichever is usable first. */
  readonly preferredBackend?: VmBackend['name'] | null;
  readonly disks: DiskImages;
}

export class Supervisor {
  readonly host: TeleportHost;
  readonly registry: VmRegistry;
  readonly told: ToldStores;
  readonly #locks = new VmLocks();
  readonly #gate: BlobGate;
  readonly #held = new Map<string, Operation>();
  readonly #running = new Set<Promise<unknown>>();
  readonly #ending = new AbortController();
  readonly #retries: Retries;
  /** Calls of `operate` under way; one may have many locks. */
  #underWay = 0;

  constructor(options: SupervisorOptions) {
    const { env, places, identity, facts, log, backends, disks } = options;
    const openStoreHere = (url: string): Promise<Store> =>
      openStore(env, url, {
        home: places.home,
        hostArchitecture: env.host.architecture,
        hostName: identity.name,
      });
    this.host = {
      env,
      places,
      identity,
      facts,
      log,
      disks,
      journal: new Journal(env, places),
      snapshots: new LocalSnapshots(env, places.home),
      factory: new VmFactory(backends, options.preferredBackend),
      backends,
      openStore: openStoreHere,
      tellStore: (url) => this.#track(this.#tell(url)),
      leases: new Leases(
        { env, places, identity, log, openStore: openStoreHere },
        {
          whileIdle: (vm, act) => this.#whileIdle(vm, act),
          onLost: (vm, record) => this.#track(this.#supersedeLater(vm, record)),
        },
      ),
      hold: (operation, cause) => this.#hold(operation, cause),
      later: (vmId, task) => this.#later(vmId, task),
    };
    this.#retries = new Retries(env.clock, this.#ending.signal, (key, err) =>
      log.error({ event: 'still-unsettled', key, err }),
    );
    this.registry = new VmRegistry(this.host);
    this.told = new ToldStores(this.host);
    this.#gate = new BlobGate(() => this.#collect());
  }

  /** Finds every VM again and settles what was cut. Called once. */
  async start(): Promise<void> {
    await this.registry.load();
    const { missing, stalled } = await recover(this.host, this.registry);
    for (const vm of missing) if (!this.#held.has(vm.id)) this.#workLater(vm, 'finding it again', findAgain);
    for (const vm of stalled) this.#workLater(vm, 'letting it go on', goOn);
    for (const vm of this.registry.all)
      if (!this.#held.has(vm.id) && !missing.includes(vm) && !stalled.includes(vm))
        this.host.leases.watch(vm);
    for (const { id, isUnread } of this.registry.damaged) if (isUnread) this.#track(this.#readLater(id));
    this.#gate.want();
  }

  /** What is being done to a VM; null when nothing is. */
  busy(vmId: string): string | null {
    return this.#locks.busy(vmId);
  }

  /** VMs and names that something is done with. */
  get operations(): number {
    return this.#locks.count;
  }

  /** Operations that wait to be settled. */
  get held(): readonly Operation[] {
    return [...this.#held.values()];
  }

  /** Why what waits about a VM could not be done when it was tried last; null when it could, or nothing waits. */
  trouble(vmId: string): Error | null {
    return this.#retries.trouble(vmId);
  }

  /**
   * A person wants the VM gone: what waits about it is given up, and its lock is free. What is just being tried is not.
   * @returns the operation that was held, whose journal entry is to be removed after the VM.
   */
  giveUp(vmId: string): Operation | null {
    if (!this.#retries.cancel(vmId)) return null;
    const operation = this.#held.get(vmId) ?? null;
    this.#held.delete(vmId);
    this.#locks.release(vmId);
    return operation;
  }

  /** Tries everything that waits at once; resolves when it was, or after `timeoutMs`. */
  async retry(timeoutMs: number): Promise<void> {
    await this.#retries.tryNow(timeoutMs);
  }

  /** Aborted when the daemon ends. */
  get ending(): AbortSignal {
    return this.#ending.signal;
  }

  /**
   * Runs one operation on a VM, or on a name, or on several of them, alone.
   * @param keys each is taken, or none, before this gives way to others.
   * @param label a verb, for the sentence of whoever comes second.
   * @throws KelpieError `vm_busy`, `limit_exceeded`, and whatever `act` throws.
   */
  async operate<T>(keys: string | readonly string[], label: string, act: () => Promise<T>): Promise<T> {
    throwIfCanceled(this.#ending.signal, 'the operation');
    if (this.#underWay + this.#held.size >= OPERATIONS_MAX)
      throw new KelpieError(
        'limit_exceeded',
        `${OPERATIONS_MAX} operations are under way on this host: wait for one to end.`,
      );
    const all = typeof keys === 'string' ? [keys] : keys;
    this.#locks.acquireAll(all, label);
    const running = this.#run(all, label, act);
    this.#track(running);
    return running;
  }

  /** Lets go of every VM without touching it, when what is under way has found its end. */
  async end(reason: KelpieError): Promise<void> {
    this.#ending.abort(reason);
    await this.#quiet();
    this.host.leases.end();
    for (const vm of this.registry.all) {
      await vm.release();
      await vm.idle();
    }
  }

  /** Waits for what is under way, at most `SHUTDOWN_WAIT_MS`: what takes longer is in the journal. */
  async #quiet(): Promise<void> {
    const waited = new AbortController();
    const late = this.host.env.clock.sleep(SHUTDOWN_WAIT_MS, waited.signal).catch(() => {});
    const ended = (async () => {
      while (this.#running.size > 0) await Promise.allSettled(this.#running);
      await this.#gate.idle();
    })();
    await Promise.race([ended, late]);
    waited.abort();
  }

  async #run<T>(keys: readonly string[], label: string, act: () => Promise<T>): Promise<T> {
    this.#underWay += 1;
    await this.#gate.enter();
    try {
      return await act();
    } catch (error) {
      // A disk that is full or failing is the user's to mend, whatever of ours met it first.
      throw localFailure(error, label);
    } finally {
      this.#underWay -= 1;
      for (const key of keys) if (!this.#held.has(key)) this.#locks.release(key);
      this.#gate.leave();
      this.#gate.want();
    }
  }

  #track(running: Promise<unknown>): void {
    const tracked = running.catch(() => {});
    this.#running.add(tracked);
    void tracked.finally(() => this.#running.delete(tracked));
  }

  #hold(operation: Operation, cause: unknown): void {
    const { vmId } = operation;
    this.host.log.error({
      event: 'operation-held',
      operationId: operation.id,
      kind: operation.kind,
      vmId,
      err: asError(cause),
    });
    this.#locks.relabel(vmId, `settling a ${operation.kind}`);
    this.#held.set(vmId, operation);
    this.#track(this.#settleLater(operation));
  }

  async #settleLater(operation: Operation): Promise<void> {
    const { vmId } = operation;
    await this.#untilDone(vmId, async () => {
      await settle(this.host, this.registry, operation);
      this.host.log.info({
        event: 'operation-settled',
        operationId: operation.id,
        kind: operation.kind,
        vmId,
      });
      // Settling it may have begun another one, which is held in its place.
      if (this.#held.get(vmId) !== operation) return;
      this.#held.delete(vmId);
      this.#locks.release(vmId);
      this.#watch(vmId);
    });
  }

  /** Its lease is renewed from here on, if it has one. */
  #watch(vmId: string): void {
    const vm = this.registry.byId(vmId);
    if (vm !== undefined) this.host.leases.watch(vm);
  }

  async #whileIdle(vm: ManagedVm, act: () => Promise<void>): Promise<boolean> {
    if (this.#locks.busy(vm.id) !== null || this.#ending.signal.aborted) return false;
    await this.operate(vm.id, `resume "${vm.name}"`, act);
    return true;
  }

  /** Another host has it: the copy here is ended as soon as nothing else is done with it. */
  async #supersedeLater(vm: ManagedVm, record: OwnershipRecord): Promise<void> {
    const { ownership } = vm.record;
    if (ownership === null) return;
    const end = async (): Promise<void> => {
      if (this.#held.has(vm.id)) return;
      this.#locks.acquire(vm.id, 'ending the copy that another host replaced');
      try {
        await supersede(this.host, vm, record, ownership.storeUrl);
      } finally {
        if (!this.#held.has(vm.id)) this.#locks.release(vm.id);
      }
    };
    // Not the VM's own key, for it has not the VM's lock while it waits.
    await this.#untilDone(`supersede:${vm.id}`, end, 0);
  }

  /** Operations come and go meanwhile, and no blob is collected while it is tried. */
  async #untilDone(key: string, act: () => Promise<void>, firstWaitMs?: number): Promise<void> {
    const tried = async (): Promise<void> => {
      await this.#gate.enter();
      try {
        await act();
        // What it was about could not be collected before.
        this.#gate.want();
      } finally {
        this.#gate.leave();
      }
    };
    await this.#retries.untilDone(key, tried, firstWaitMs);
  }

  /** A VM that may run but could not be reached, or stands still and ought to run: nothing else is done with it until that has succeeded. */
  #workLater(vm: ManagedVm, what: string, work: (host: TeleportHost, vm: ManagedVm) => Promise<void>): void {
    this.#locks.acquire(vm.id, what);
    this.#track(
      this.#untilDone(vm.id, async () => {
        await work(this.host, vm);
        this.#locks.release(vm.id);
        this.host.leases.watch(vm);
      }),
    );
  }

  /** A VM that is not known because the disk did not give its record. */
  async #readLater(vmId: string): Promise<void> {
    await this.#untilDone(vmId, async () => {
      await this.registry.readAgain(vmId);
      const vm = this.registry.byId(vmId);
      if (vm !== undefined && !this.#held.has(vmId)) this.#workLater(vm, 'finding it again', findAgain);
    });
  }

  /** Work that nobody waits for. */
  #later(vmId: string, task: () => Promise<void>): void {
    const run = async (): Promise<void> => {
      await this.#gate.enter();
      try {
        await task();
      } catch (error) {
        this.host.log.error({ event: 'later-failed', vmId, err: asError(error) });
      } finally {
        this.#gate.leave();
      }
    };
    this.#track(run());
  }

  /** Not behind the gate of blobs: a store may let it wait for minutes. */
  async #tell(storeUrl: string): Promise<void> {
    try {
      await this.told.tell(storeUrl, { signal: this.#ending.signal });
    } catch (error) {
      if (!this.#ending.signal.aborted)
        this.host.log.error({ event: 'store-not-told', storeUrl, err: asError(error) });
    }
  }

  /** What this host can run has changed: the stores that it told, and those of its VMs, are told again. */
  factsChanged(): void {
    const owning = this.registry.all.flatMap(({ record }) => record.ownership?.storeUrl ?? []);
    for (const storeUrl of new Set([...this.told.urls, ...owning])) this.host.tellStore(storeUrl);
  }

  async #collect(): Promise<void> {
    // What a VM needs whose record cannot be read, or an operation that is not settled, is not known.
    if (this.registry.damaged.length > 0 || this.#held.size > 0) return;
    const roots = usedByVms(this.registry);
    try {
      const vmIds = this.registry.all.map(({ id }) => id);
      await sweepAside(this.host, vmIds);
      const { removed, removedBytes } = await collectBlobs(this.host.env, this.host.places.home, roots);
      if (removed > 0) this.host.log.info({ event: 'blobs-collected', removed, removedBytes });
      const downloads = await sweepDownloads(this.host.env, this.host.places.downloadsDirectory);
      if (downloads > 0) this.host.log.info({ event: 'downloads-swept', removed: downloads });
    } catch (error) {
      this.host.log.error({ event: 'blobs-not-collected', err: asError(error) });
    }
  }
}
