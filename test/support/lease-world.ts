/**
 * A host that holds a VM by a lease, another that would reclaim it, and a store between them, in time that a test moves. The holder's watch and the reclaim are the real
 * ones; the VM and the fuse are models of what they are promised to be.
 */
import { KelpieError } from '../../src/base/errors.ts';
import { createNodeEnv } from '../../src/env/node/env.ts';
import { MemoryObjects } from '../../src/store/objects/memory/memory-objects.ts';
import { StoreTrouble } from '../../src/store/objects/store-trouble.ts';
import { wrapObjects } from '../../src/store/objects/wrappers/wrap-objects.ts';
import { ObjectOwnership } from '../../src/store/records/object-ownership.ts';
import { LeaseWatch } from '../../src/teleport/lease-watch.ts';
import { reclaim } from '../../src/teleport/reclaim.ts';
import { newVmRecord } from '../../src/teleport/vm-record.ts';
import { exampleConfig } from './example-vm.ts';
import { ManualClock } from './manual-clock.ts';
import type { Clock } from '../../src/env/clock.ts';
import type { ObjectStore } from '../../src/store/objects/object-store.ts';
import type { OwnershipRecord, OwnershipRecords } from '../../src/store/ownership-records.ts';
import type { LeasedVm } from '../../src/teleport/lease-watch.ts';
import type { ReclaimResult } from '../../src/teleport/reclaim.ts';
import type { VmRecord } from '../../src/teleport/vm-record.ts';
import type { VmInstance } from '../../src/vm/instance.ts';

export const LEASE_MS = 30_000;
const STEP_MS = 250;
/** How long a request takes that gets no answer. */
const UNANSWERED_MS = 2000;
const SLOW_MS = { slow: 20_000, 'too-slow': LEASE_MS };
const VM_ID = '00000000-0000-4000-8000-00000000000a';
const PACKAGE_ID = 'cd'.repeat(32);
const EPOCH = 3;

interface LeaseStore {
  readonly ownership: OwnershipRecords;
  readonly storage: {
    readonly url: string;
    readonly download: () => Promise<{ readonly package: { readonly metadata: { readonly vmId: string } } }>;
  };
}

/** `slow`: what is written is there at once, and its answer comes late; `too-slow`: when a whole lease is over. */
export type Connection = 'up' | 'down' | 'answers-lost' | 'hangs' | 'slow' | 'too-slow';

/** A host's clock: fast or slow by its rate, and set by people. */
class HostClock implements Clock {
  readonly #time: ManualClock;
  readonly #rate: number;
  wallOffsetMs = 0;

  constructor(time: ManualClock, rate: number) {
    this.#time = time;
    this.#rate = rate;
  }

  monotonicMs(): number {
    return this.#time.monotonicMs() * this.#rate;
  }
  wallMs(): number {
    return this.monotonicMs() + this.wallOffsetMs;
  }
  wallNs(): bigint {
    return BigInt(Math.round(this.wallMs() * 1e6));
  }
  async sleep(durationMs: number, signal?: AbortSignal): Promise<void> {
    await this.#time.sleep(durationMs / this.#rate, signal);
  }
}

export class LeaseWorld {
  readonly time: ManualClock = new ManualClock();
  readonly holderClock: HostClock;
  connection: Connection = 'up';
  /** Whoever pauses the VM gets no answer. */
  isVmDeaf = false;
  /** … or is told at once that somebody else is at it. */
  isVmBusy = false;
  /** What the holder writes is there, and yet refused. */
  set isSyncRefused(isRefused: boolean) {
    this.#fuse.isSyncRefused = isRefused;
  }
  /** How often it was asked to stand still though its lease held. */
  pausesUnderLease = 0;
  lost: OwnershipRecord | null = null;
  reclaimed: ReclaimResult | null = null;
  refused: unknown = null;
  readonly #reclaimerClock: HostClock;
  readonly #objects = new MemoryObjects(createNodeEnv());
  readonly #fuse = new ModelFuse(() => this.holderClock.monotonicMs());
  readonly watch: LeaseWatch;
  #record: VmRecord;

  constructor(rates: { readonly holder: number; readonly reclaimer: number } = { holder: 1, reclaimer: 1 }) {
    this.holderClock = new HostClock(this.time, rates.holder);
    this.#reclaimerClock = new HostClock(this.time, rates.reclaimer);
    this.#record = newVmRecord({
      id: VM_ID,
      config: exampleConfig,
      createdAtUnixMs: 0,
      state: 'paused',
      ownership: { storeUrl: 'memory', epoch: EPOCH, leaseMs: LEASE_MS, leasePause: 'none' },
    });
    const host = {
      env: { clock: this.holderClock },
      identity: { id: 'host-a', name: 'a' },
      log: { info: () => undefined, error: () => undefined },
      openStore: async () => this.#store(this.#overNetwork()),
    };
    const right = { storeUrl: 'memory', epoch: EPOCH, leaseMs: LEASE_MS };
    this.watch = new LeaseWatch(host, this.#vm(), right, {
      fuse: this.#fuse,
      whileIdle: async (act) => {
        await act();
        return true;
      },
      onLost: (record) => {
        this.lost = record;
      },
    });
  }

  get vm(): VmRecord {
    return this.#record;
  }

  /** The VM's CPUs run. */
  get isExecuting(): boolean {
    return this.#record.state === 'running' && !this.#fuse.isBlown;
  }

  /** Fuses that were lit, are not in force, and burn on. */
  get sparks(): number {
    return this.#fuse.sparks;
  }

  async record(): Promise<OwnershipRecord | null> {
    return await new ObjectOwnership(this.#objects).read(VM_ID);
  }

  /** The holder has just claimed the VM, and it runs. */
  async begin(): Promise<void> {
    await new ObjectOwnership(this.#objects).compareAndSwap(0, {
      state: 'running',
      owner: 'host-a',
      packageId: PACKAGE_ID,
      lease: { durationMs: LEASE_MS },
      vmId: VM_ID,
      vmName: 'dev',
      epoch: EPOCH,
      revision: 1,
      changedAtUnixMs: 0,
      hostName: 'a',
    });
    await this.watch.renew();
    this.watch.start();
    this.#record = { ...this.#record, state: 'running' };
  }

  /** As `kill -9` of the holder's daemon: the VM and the fuse live on. */
  killHolder(): void {
    this.watch.abandon();
    this.connection = 'hangs';
  }

  startReclaim(force = false): void {
    const host = {
      env: { clock: this.#reclaimerClock },
      identity: { id: 'host-b', name: 'b' },
      log: { info: () => undefined, error: () => undefined },
      openStore: async () => this.#store(this.#objects),
    };
    const options = {
      listener: { progress: () => undefined, notice: () => undefined },
      signal: new AbortController().signal,
    };
    void reclaim(host, { byId: () => undefined }, { storeUrl: 'memory', vm: VM_ID, force }, options).then(
      (done) => {
        this.reclaimed = done;
      },
      (error: unknown) => {
        this.refused = error;
      },
    );
  }

  /** Lets time pass; `look` sees every step. */
  async pass(durationMs: number, look: () => void = () => undefined): Promise<void> {
    for (let leftMs = durationMs; leftMs > 0; leftMs -= STEP_MS) {
      await this.time.advance(STEP_MS);
      this.#fuse.burn();
      look();
    }
  }

  close(): void {
    this.watch.abandon();
  }

  #store(objects: ObjectStore): LeaseStore {
    const download: LeaseStore['storage']['download'] = async () => ({
      package: { metadata: { vmId: VM_ID } },
    });
    return { ownership: new ObjectOwnership(objects), storage: { url: 'memory', download } };
  }

  /** The store as the holder reaches it. */
  #overNetwork(): ObjectStore {
    return wrapObjects(this.#objects, async ({ act }, run) => {
      const connection = this.connection;
      const isSlow = connection === 'slow' || connection === 'too-slow';
      if (isSlow && act === 'putIfMatch') {
        const answer = await run();
        await this.time.sleep(SLOW_MS[connection]);
        return answer;
      }
      if (connection === 'up' || isSlow) return await run();
      if (connection === 'hangs') return await new Promise<never>(() => undefined);
      if (connection === 'answers-lost') await run();
      await this.time.sleep(UNANSWERED_MS);
      throw new StoreTrouble('unavailable', 'the store does not answer.', { isOutcomeUnknown: true });
    });
  }

  #vm(): LeasedVm {
    const read = (): VmRecord => this.#record;
    const set = (state: VmRecord['state']): void => {
      this.#record = { ...this.#record, state };
    };
    const act = async (state: VmRecord['state']): Promise<void> => {
      if (this.isVmBusy)
        throw new KelpieError('vm_busy', 'cannot do that to "dev" now: a snapshot is under way.');
      if (this.isVmDeaf || this.#fuse.isBlown) throw new Error('the VM does not answer');
      set(state);
    };
    const instance: Pick<VmInstance, 'pause' | 'resume'> = {
      pause: async () => {
        if (this.watch.leftMs > 0) this.pausesUnderLease += 1;
        await act('paused');
      },
      resume: async () => await act('running'),
    };
    return {
      id: VM_ID,
      name: 'dev',
      get record() {
        return read();
      },
      instance,
      update: async (change) => {
        this.#record = { ...this.#record, ...change };
      },
    };
  }
}

/** What `LeaseFuse` promises: the one in force freezes the VM when its time is over. */
class ModelFuse {
  readonly #nowMs: () => number;
  readonly #deadlines = new Map<string, number>();
  #lit = 0;
  #inForce: string | null = null;
  isBlown = false;
  isSyncRefused = false;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  get sparks(): number {
    return [...this.#deadlines].filter(([token, endMs]) => token !== this.#inForce && endMs > this.#nowMs())
      .length;
  }

  async light(durationMs: number): Promise<{ token: string; putOut: () => void }> {
    this.#lit += 1;
    const token = String(this.#lit);
    this.#deadlines.set(token, this.#nowMs() + durationMs);
    return { token, putOut: () => this.#deadlines.delete(token) };
  }
  async take({ token }: { readonly token: string }): Promise<void> {
    if (this.#inForce !== null) this.#deadlines.delete(this.#inForce);
    this.#inForce = token;
    if (this.isSyncRefused) throw new Error('the disk does not say whether it was written');
  }
  async disarm(): Promise<void> {
    if (this.#inForce !== null) this.#deadlines.delete(this.#inForce);
    this.#inForce = null;
  }
  async thaw(): Promise<void> {
    this.isBlown = false;
  }
  burn(): void {
    if (this.#inForce !== null && this.#nowMs() >= (this.#deadlines.get(this.#inForce) ?? Infinity))
      this.isBlown = true;
  }
}
