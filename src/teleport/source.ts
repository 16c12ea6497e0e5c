/**
 * Teleport, the side that lets go.
 *
 *     check ─▶ image ─▶ capture ─▶ publish ─▶ announce ─▶ COMMIT ─▶ end
 *       │        │         │          │          │          │        └ the copy here is ended; a crash goes on from here
 *       └────────┴─────────┴───────────┴──────────┘         └ the record says at rest: whoever claims it may run it
 *                  any failure: the VM runs on here
 *
 * The journal says before each step what a crash may find (`recovery.ts`). A failure takes the very same way back as a crash.
 * Progress phases: `check`, `image`, `capture`, `publish`, `announce`, `commit`, `end`.
 */
import { defined } from '../base/assert.ts';
import { throwIfCanceled } from '../base/cancel.ts';
import { KelpieError } from '../base/errors.ts';
import { imageFilesOf } from './image-transfer.ts';
import { captureSnapshot } from './capture.ts';
import { checkMayDepart, heritageOf, nextRecord, ownedElsewhere, swap } from './ownership.ts';
import { checkLeaseStays, recordVanished } from './right-to-run.ts';
import { settleTeleport } from './settle-teleport.ts';
import { packageSource } from './package-source.ts';
import { Stopwatch } from './stopwatch.ts';
import type { OwnershipRecord } from '../store/ownership-records.ts';
import type { PackageSource, TeleportPackage, TransferOptions } from '../store/teleport-storage.ts';
import type { LocalSnapshot } from '../snapshot/local-snapshots.ts';
import type { TeleportOutcome } from './settle-teleport.ts';
import type { ManagedVm } from './managed-vm.ts';
import type { TeleportOperation } from './operations.ts';
import type { OperationListener } from './progress.ts';
import type { Store } from '../store/open-store.ts';
import type { TeleportHost } from './teleport-host.ts';

export interface TeleportRequest {
  readonly storeUrl: string;
  readonly message: string;
  /** Publish the image's files too, for hosts that do not have it. */
  readonly includeImage: boolean;
}

export interface TeleportResult {
  readonly packageId: string;
  readonly storeUrl: string;
  readonly epoch: number;
  readonly timings: Readonly<Record<string, number>>;
  /** What the memory and the disk hold that is not zero, and what had to be sent for them and the image, compressed: the rest was in the store. */
  readonly bytes: { readonly memory: number; readonly disk: number; readonly sent: number };
  readonly isEncrypted: boolean;
  /** How many can read it; null when it is not encrypted. */
  readonly recipientCount: number | null;
  /** Public key of what this host signs with; null when it signs nothing. */
  readonly signedBy: string | null;
}

export interface OperationOptions {
  readonly listener: OperationListener;
  readonly signal: AbortSignal;
}

/** One teleport of one VM; `run` is called once, by whoever holds the VM's lock. */
export class TeleportOut {
  readonly #host: TeleportHost;
  readonly #vm: ManagedVm;
  readonly #request: TeleportRequest;
  readonly #listener: OperationListener;
  readonly #signal: AbortSignal;
  readonly #times: Stopwatch;
  /** Sent for the image. */
  #imageBytes = 0;

  constructor(host: TeleportHost, vm: ManagedVm, request: TeleportRequest, options: OperationOptions) {
    this.#host = host;
    this.#vm = vm;
    this.#request = request;
    this.#listener = options.listener;
    this.#signal = options.signal;
    this.#times = new Stopwatch(host.env.clock);
  }

  async run(): Promise<TeleportResult> {
    const { store, previous } = await this.#phase('check', () => this.#check());
    // Threads start while the VM still runs, so that its pages need not wait for them.
    this.#host.env.compute.prepareFrames();
    const imageFiles = await this.#phase('image', () => this.#publishImage(store));
    let operation = this.#intent(store, previous);
    await this.#host.journal.begin(operation);
    const step = async (change: Partial<TeleportOperation>): Promise<void> => {
      throwIfCanceled(this.#signal, 'the teleport');
      operation = { ...operation, ...change };
      await this.#host.journal.write(operation);
    };
    let published: TeleportPackage | null = null;
    try {
      const snapshot = await this.#phase('capture', () => this.#capture(operation));
      published = await this.#phase('publish', () => this.#publish(store, snapshot, imageFiles));
      await step({ step: 'departing', packageId: published.id });
      const departing = await this.#phase('announce', () => this.#announce(store, operation));
      await step({ step: 'committing' });
      await this.#phase('commit', () => this.#commit(store, operation, departing));
      operation = { ...operation, step: 'committed' };
    } catch (error) {
      const outcome = await this.#settle(operation, error);
      if (outcome === 'stayed' || published === null) throw error;
      return this.#result(store, operation, published);
    }
    await this.#times.measure('end', () => this.#settle(operation));
    return this.#result(store, operation, published);
  }

  /** Everything that can be known to fail before the VM is touched. */
  async #check(): Promise<{ store: Store; previous: OwnershipRecord | null }> {
    this.#vm.requireLive('teleport');
    const { storeUrl } = this.#request;
    const { ownership } = this.#vm.record;
    checkLeaseStays(ownership, storeUrl, this.#vm.name);
    const store = await this.#host.openStore(storeUrl);
    const previous = await store.ownership.read(this.#vm.id);
    // The first word to a store may never have come there: it would have been of epoch 0.
    const isKnownThere = ownership?.storeUrl === storeUrl && ownership.epoch > 0;
    if (previous === null && isKnownThere) throw recordVanished(this.#vm.name, storeUrl);
    checkMayDepart(previous, this.#host.identity.id, this.#vm.name);
    return { store, previous };
  }

  /** Ahead of the rest, while the VM still runs. */
  async #publishImage({ storage }: Store): Promise<PackageSource['imageFiles']> {
    if (!this.#request.includeImage) return [];
    const { image } = this.#vm.record.config;
    const files = await imageFilesOf(this.#host, image);
    this.#imageBytes = await storage.uploadImage({ digest: image.digest, files }, this.#transfer('image'));
    return files;
  }

  #intent(store: Store, previous: OwnershipRecord | null): TeleportOperation {
    const { ownership, state } = this.#vm.record;
    return {
      kind: 'teleport',
      id: this.#host.env.random.uuid(),
      vmId: this.#vm.id,
      vmName: this.#vm.name,
      startedAtUnixMs: Math.round(this.#host.env.clock.wallMs()),
      step: 'preparing',
      storeUrl: store.storage.url,
      snapshotId: this.#host.env.random.uuid(),
      wasRunning: state === 'running',
      commitEpoch: Math.max(previous?.epoch ?? 0, ownership?.epoch ?? 0) + 1,
      packageId: null,
    };
  }

  /** The VM is paused from here on. */
  async #capture(operation: TeleportOperation): Promise<LocalSnapshot> {
    const { snapshot, timings } = await captureSnapshot(this.#host, this.#vm, {
      snapshotId: operation.snapshotId,
      kind: 'teleport',
      message: this.#request.message,
      resume: false,
      signal: this.#signal,
    });
    this.#times.set('pauseMs', timings.pauseMs);
    return snapshot;
  }

  /** Tells others that the VM is leaving. It gives nothing away yet. From here on no lease is renewed: the record changes under this hand only. */
  async #announce(store: Store, operation: TeleportOperation): Promise<OwnershipRecord> {
    await this.#host.leases.release(this.#vm.id);
    const previous = await store.ownership.read(this.#vm.id);
    checkMayDepart(previous, this.#host.identity.id, this.#vm.name);
    const { lease } = heritageOf(previous);
    const next = nextRecord(this.#host, this.#owned(), previous, {
      epoch: operation.commitEpoch - 1,
      state: { state: 'departing', owner: this.#host.identity.id, packageId: packageOf(operation), lease },
    });
    if ((previous?.epoch ?? 0) > next.epoch) throw this.#lostRace(previous);
    const outcome = await swap(this.#host, store.ownership, previous, next);
    if (outcome.isWon) return next;
    throw this.#lostRace(outcome.current);
  }

  async #publish(
    store: Store,
    snapshot: LocalSnapshot,
    imageFiles: PackageSource['imageFiles'],
  ): Promise<TeleportPackage> {
    const parts = { storeId: await store.id(), imageFiles, signal: this.#signal };
    const source = await packageSource(this.#host, snapshot, parts);
    return store.storage.upload(source, this.#transfer('publish'));
  }

  #transfer(phase: string): TransferOptions {
    return {
      signal: this.#signal,
      onProgress: ({ item, doneBytes, totalBytes }) =>
        this.#listener.progress(phase, item, doneBytes, totalBytes),
    };
  }

  /** From here on the outcome is the store's to tell, and canceling is too late. */
  async #commit(store: Store, operation: TeleportOperation, departing: OwnershipRecord): Promise<void> {
    const next = nextRecord(this.#host, this.#owned(), departing, {
      epoch: operation.commitEpoch,
      state: { state: 'at-rest', packageId: packageOf(operation), reclaimedFrom: null },
    });
    const outcome = await swap(this.#host, store.ownership, departing, next);
    if (!outcome.isWon) throw this.#lostRace(outcome.current);
  }

  /** The way back, or forward when the commit happened. What cannot be settled now is held and tried again by the daemon. */
  async #settle(operation: TeleportOperation, cause?: unknown): Promise<TeleportOutcome> {
    try {
      return await settleTeleport(this.#host, this.#vm, operation);
    } catch (error) {
      this.#host.hold(operation, error);
      const told =
        operation.step === 'committed'
          ? 'has left, but its copy here could not be ended yet'
          : 'stays paused until its store answers';
      throw new KelpieError(
        'store_unavailable',
        `the teleport of "${this.#vm.name}" is not settled: it ${told}.`,
        { cause: cause ?? error },
      );
    }
  }

  #result(store: Store, operation: TeleportOperation, published: TeleportPackage): TeleportResult {
    return {
      packageId: published.id,
      storeUrl: store.storage.url,
      epoch: operation.commitEpoch,
      timings: this.#times.all,
      bytes: {
        memory: published.sizes.memoryBytes,
        disk: published.sizes.diskBytes,
        sent: published.sizes.ownBytes + this.#imageBytes,
      },
      isEncrypted: published.isEncrypted,
      recipientCount: store.storage.recipientCount,
      signedBy: published.signedBy,
    };
  }

  async #phase<T>(name: string, act: () => Promise<T>): Promise<T> {
    throwIfCanceled(this.#signal, 'the teleport');
    this.#listener.progress(name);
    return this.#times.measure(name, act);
  }

  #owned(): { vmId: string; vmName: string } {
    return { vmId: this.#vm.id, vmName: this.#vm.name };
  }

  #lostRace(current: OwnershipRecord | null): KelpieError {
    if (current !== null) return ownedElsewhere(current, this.#vm.name);
    return new KelpieError(
      'store_conflict',
      `the store's record of "${this.#vm.name}" vanished; teleport it again.`,
    );
  }
}

function packageOf(operation: TeleportOperation): string {
  return defined(operation.packageId, 'the package of a teleport that was published');
}
