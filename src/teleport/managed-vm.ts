/**
 * A VM of this host: its record and, while there is one, its instance. Every change of either reaches the record in memory at once and
 * the disk in order, so that after a crash of this process the record is at most one unsynced change behind what runs.
 */
import { assert } from '../base/assert.ts';
import { KelpieError, asError } from '../base/errors.ts';
import { SECOND_MS } from '../base/units.ts';
import { writeJsonDurably } from './durable-json.ts';
import { imageFilesFor } from './image-files.ts';
import type { MachineFacts } from '../snapshot/metadata.ts';
import { illegal } from '../vm/state.ts';
import type { VmEvent, VmInstance, VmPlaces } from '../vm/instance.ts';
import type { TeleportHost } from './teleport-host.ts';
import type { VmRecord } from './vm-record.ts';

/** How long a record that could not be written waits for each try. */
const UNSAVED_RETRY_MS: number = SECOND_MS;

export class ManagedVm {
  readonly #host: TeleportHost;
  #record: VmRecord;
  #instance: VmInstance | null = null;
  /** The last write under way, and the one that waits for it: more than two would write the same twice. */
  #writing: Promise<void> = Promise.resolve();
  #queued: Promise<void> | null = null;
  /** Aborted when the instance is let go of; null while nothing that it told is waiting to be saved. */
  #retrying: AbortController | null = null;

  constructor(host: TeleportHost, record: VmRecord) {
    this.#host = host;
    this.#record = record;
  }

  get id(): string {
    return this.#record.id;
  }
  get name(): string {
    return this.#record.config.name;
  }
  get record(): VmRecord {
    return this.#record;
  }
  /** The instance, when this process has one. */
  get instance(): VmInstance | null {
    return this.#instance;
  }
  /** A process of it exists here. */
  get isLive(): boolean {
    return (
      this.#record.state === 'starting' || this.#record.state === 'running' || this.#record.state === 'paused'
    );
  }

  /** The instance of a VM that runs. @throws KelpieError with why there is none. */
  requireLive(act: string): VmInstance {
    this.requireHere(act);
    const { state, reason } = this.#record;
    if (this.#instance === null || !this.isLive) throw illegal(this.name, state, act, reason);
    return this.#instance;
  }

  /** @throws KelpieError `vm_departed` when the VM was teleported away. */
  requireHere(act: string): void {
    const { departed } = this.#record;
    if (departed === null) return;
    const { storeUrl, packageId, reclaimedBy } = departed;
    const how =
      reclaimedBy === null
        ? `it was teleported to ${storeUrl}; restore it from there.`
        : `${reclaimedBy} reclaimed it in ${storeUrl}, and this copy has ended; restore it from there.`;
    throw new KelpieError('vm_departed', `cannot ${act} "${this.name}": ${how}`, {
      data: { storeUrl, packageId },
    });
  }

  /** Changes the record, durably. */
  async update(change: Partial<VmRecord>): Promise<void> {
    this.#record = { ...this.#record, ...change };
    await this.save();
  }

  /** Resolves when the record as it is now is durable. */
  save(): Promise<void> {
    this.#queued ??= this.#writing.then(async () => {
      this.#queued = null;
      await writeJsonDurably(this.#host.env.files, this.#host.places.vmRecord(this.id), this.#record);
    });
    const saved = this.#queued;
    // A failed write is told to whoever asked for it, and the next one is tried all the same.
    this.#writing = saved.catch(() => {});
    return saved;
  }

  /** Resolves when no write of the record is under way. */
  async idle(): Promise<void> {
    while (this.#queued !== null) await this.#queued.catch(() => {});
    await this.#writing;
  }

  /** A fresh instance for a start or a restore, on the backend named, or the host's best. */
  async prepareInstance(backend: MachineFacts['backend'] | null): Promise<VmInstance> {
    assert(!this.isLive, 'a live VM is not started again');
    await this.#host.env.files.makeDirectory(this.#host.places.runDirectory(this.id));
    await this.release();
    const { factory } = this.#host;
    const chosen =
      backend === null ? (await factory.forHost(this.#record.config)).backend : factory.byName(backend);
    const instance = await chosen.create(this.id, this.#record.config, await this.#placesOf());
    this.#take(instance);
    return instance;
  }

  /** Finds the running VM again. @throws KelpieError `vm_crashed` when it is gone; the record says so then. */
  async adopt(): Promise<VmInstance> {
    const { runtime } = this.#record;
    assert(runtime !== null, 'only a VM with a process is adopted');
    try {
      const backend = this.#host.factory.byName(runtime.machine.backend);
      const instance = await backend.adopt(this.id, this.#record.config, await this.#placesOf(), runtime);
      this.#take(instance);
      this.#learn(instance);
      await this.update({ state: instance.state, reason: null });
      return instance;
    } catch (error) {
      const reason = error instanceof KelpieError ? error.message : asError(error).message;
      if (error instanceof KelpieError && error.code === 'vm_crashed') await this.markDead('crashed', reason);
      throw error;
    }
  }

  /** Ends whatever runs of this VM here, known or not, without asking the guest. */
  async kill(): Promise<void> {
    if (this.#instance !== null && this.isLive) await this.#instance.stop({ force: true });
    await this.release();
    await removeStray(this.#host, this.#host.places.runDirectory(this.id));
  }

  /** Nothing of it runs any more. */
  async markDead(state: 'stopped' | 'suspended' | 'crashed', reason: string | null): Promise<void> {
    await this.update({ state, reason, runtime: null, startedAtUnixMs: null });
  }

  /** Lets go of the instance: what runs, runs on. */
  async release(): Promise<void> {
    const instance = this.#instance;
    this.#instance = null;
    this.#retrying?.abort(new Error('the instance was let go of'));
    this.#retrying = null;
    if (instance !== null) await instance.close();
  }

  async #placesOf(): Promise<VmPlaces> {
    return {
      runDirectory: this.#host.places.runDirectory(this.id),
      blobDirectory: this.#host.places.blobDirectory,
      image: await imageFilesFor(this.#host, this.#record.config.image),
    };
  }

  #take(instance: VmInstance): void {
    this.#instance = instance;
    instance.onEvent((event) => {
      if (this.#instance === instance) this.#onEvent(instance, event);
    });
  }

  #onEvent(instance: VmInstance, event: VmEvent): void {
    this.#learn(instance);
    if (event.kind === 'state') this.#learnState(event.state, event.reason);
    this.#host.log.info({
      event: `vm-${event.kind}`,
      vmId: this.id,
      state: this.#record.state,
      reason: this.#record.reason,
    });
    void this.#saveInTime();
  }

  /** Nobody waits for what an instance tells. While it is not saved, a record would name the layers of a disk that the VM has left behind. */
  async #saveInTime(): Promise<void> {
    if (await this.#isSaved()) return;
    if (this.#instance === null || this.#retrying !== null) return;
    const retrying = new AbortController();
    this.#retrying = retrying;
    const { signal } = retrying;
    try {
      do await this.#host.env.clock.sleep(UNSAVED_RETRY_MS, signal);
      while (!(await this.#isSaved()));
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      if (this.#retrying === retrying) this.#retrying = null;
    }
  }

  async #isSaved(): Promise<boolean> {
    try {
      await this.save();
      return true;
    } catch (error) {
      this.#host.log.error({ event: 'vm-record-unsaved', vmId: this.id, err: asError(error) });
      return false;
    }
  }

  #learn(instance: VmInstance): void {
    const { runtime } = instance;
    if (runtime === null) return;
    const { backend } = runtime.machine;
    this.#record = { ...this.#record, backend, runtime, disk: runtime.disk };
  }

  #learnState(state: VmRecord['state'], reason: string | null): void {
    const isDead = state === 'stopped' || state === 'crashed';
    const isBegun = state === 'running' && this.#record.startedAtUnixMs === null;
    this.#record = {
      ...this.#record,
      state,
      reason,
      ...(isDead ? { runtime: null, startedAtUnixMs: null } : {}),
      ...(isBegun ? { startedAtUnixMs: Math.round(this.#host.env.clock.wallMs()) } : {}),
    };
  }
}

/** Ends what runs in a run directory, whoever made it, and removes the directory. */
export async function removeStray(host: TeleportHost, runDirectory: string): Promise<void> {
  for (const backend of host.backends) await backend.removeOrphan(runDirectory);
  await host.env.files.removeTree(runDirectory);
}
