/**
 * One lease that this host holds:
 *
 *     held ◀──────────granted, the VM goes on──────────────┐
 *      │  └──renewed each D/3──▶ held                      │
 *      └──no answer in time──▶ VM paused ──asked again──▶──┤
 *                                                          └──the record is another's──▶ lost: paused, told, over
 *
 * Two loops: one asks the store, however long that takes; the other watches the clock and pauses the VM in time. Should both be stuck, or this process be
 * dead, the fuse freezes the VM (`lease-fuse.ts`).
 */
import { asError, isKelpieError } from '../base/errors.ts';
import { elapsedAtMostMs, leaseTimes, momentOf } from './lease-times.ts';
import { nextRecord, swap } from './ownership.ts';
import { ownRecord, recordVanished } from './right-to-run.ts';
import type { Env } from '../env/env.ts';
import type { OwnershipRecord } from '../store/ownership-records.ts';
import type { Store } from '../store/open-store.ts';
import type { VmInstance } from '../vm/instance.ts';
import type { LeaseFuse, LitFuse } from './lease-fuse.ts';
import type { LeaseTimes, Moment } from './lease-times.ts';
import type { ManagedVm } from './managed-vm.ts';
import type { TeleportHost } from './teleport-host.ts';

/** How soon a renewal that failed is tried again; less for a short lease. */
const RETRY_MS_MAX = 5000;
const RETRY_SHARE = 0.1;
/** How long the clock is left alone: a machine that slept is noticed within it. */
const TICK_MS = 1000;
/** How soon a pause is tried again that something else was in the way of. */
const PAUSE_RETRY_MS = 100;
/** A daemon that has just started asks for this long before it pauses what it found running, under the fuse of the daemon before. */
const FIRST_ANSWER_MS = 3000;

export interface LeaseRight {
  readonly storeUrl: string;
  readonly epoch: number;
  readonly leaseMs: number;
}

export type Renewal =
  | { readonly kind: 'held' }
  | { readonly kind: 'lost'; readonly record: OwnershipRecord }
  | { readonly kind: 'unknown'; readonly cause: unknown };

export type LeaseHost = Pick<TeleportHost, 'identity' | 'log'> & {
  readonly env: Pick<Env, 'clock'>;
  openStore(url: string): Promise<Pick<Store, 'ownership'>>;
};

export interface LeaseWatchOptions {
  readonly fuse: Pick<LeaseFuse, 'light' | 'take' | 'disarm' | 'thaw'>;
  /** Runs `act` when nothing else is done with the VM; false when something is. */
  readonly whileIdle: (act: () => Promise<void>) => Promise<boolean>;
  /** The VM is another's. It is paused, if that was possible. */
  readonly onLost: (record: OwnershipRecord) => void;
}

/** What of a VM a lease is about. */
export type LeasedVm = Pick<ManagedVm, 'id' | 'name' | 'record' | 'update'> & {
  readonly instance: Pick<VmInstance, 'pause' | 'resume'> | null;
};

export class LeaseWatch {
  readonly right: LeaseRight;
  readonly #host: LeaseHost;
  readonly #vm: LeasedVm;
  readonly #options: LeaseWatchOptions;
  readonly #times: LeaseTimes;
  readonly #ending = new AbortController();
  readonly #startedMs: number;
  #heldSince: Moment | null = null;
  #trouble: string | null = null;
  /** A pause failed that may be done all the same. */
  #isPauseDoubtful = false;
  #renewing: Promise<Renewal> | null = null;

  constructor(host: LeaseHost, vm: LeasedVm, right: LeaseRight, options: LeaseWatchOptions) {
    this.right = right;
    this.#host = host;
    this.#vm = vm;
    this.#options = options;
    this.#times = leaseTimes(right.leaseMs);
    this.#startedMs = host.env.clock.monotonicMs();
  }

  /** Why the last renewal failed; null when it did not. */
  get trouble(): string | null {
    return this.#trouble;
  }

  /** Time until the VM must be paused; 0 when it must be now. */
  get leftMs(): number {
    const { clock } = this.#host.env;
    if (this.#heldSince === null)
      return Math.max(0, FIRST_ANSWER_MS - (clock.monotonicMs() - this.#startedMs));
    return Math.max(0, this.#times.pauseMs - elapsedAtMostMs(clock, this.#heldSince));
  }

  /** Begins to renew and to watch. */
  start(): void {
    for (const loop of [this.#keep(), this.#guard()]) {
      loop.catch((error: unknown) => {
        if (!this.#ending.signal.aborted)
          this.#host.log.error({ event: 'lease-watch-failed', vmId: this.#vm.id, err: asError(error) });
      });
    }
  }

  /** Neither renews nor watches any more; resolves when no request of it is under way. The fuse burns on. */
  async end(): Promise<void> {
    this.abandon();
    await this.#renewing;
  }

  /** As `end`, without waiting. */
  abandon(): void {
    this.#ending.abort(new Error('the lease is watched no more'));
  }

  /** Asks for the whole time again; two who ask at once share one request. Never throws. */
  async renew(): Promise<Renewal> {
    this.#renewing ??= this.#renew().finally(() => {
      this.#renewing = null;
    });
    return await this.#renewing;
  }

  async #renew(): Promise<Renewal> {
    const { clock } = this.#host.env;
    const since = momentOf(clock);
    let lit: LitFuse | null = null;
    try {
      lit = await this.#options.fuse.light(this.#times.fuseMs);
      const lost = await this.#ask();
      if (lost !== null) {
        lit.putOut();
        return { kind: 'lost', record: lost };
      }
      if (elapsedAtMostMs(clock, since) >= this.#times.pauseMs)
        throw new Error('the answer came too late to be of use');
      const granted = lit;
      // From here on it may be in force, whatever the disk says of it: put out then, it would leave none, for the one before it ends.
      lit = null;
      await this.#options.fuse.take(granted);
      this.#heldSince = since;
      this.#trouble = null;
      await this.#options.fuse.thaw();
      return { kind: 'held' };
    } catch (error) {
      lit?.putOut();
      this.#trouble = asError(error).message;
      this.#host.log.error({ event: 'lease-not-renewed', vmId: this.#vm.id, err: asError(error) });
      return { kind: 'unknown', cause: error };
    }
  }

  /** Takes the next revision. Null: it is ours; else the record that says that the right is gone. @throws when it is not known. */
  async #ask(): Promise<OwnershipRecord | null> {
    const { epoch, leaseMs, storeUrl } = this.right;
    const { ownership } = await this.#host.openStore(storeUrl);
    const current = await ownership.read(this.#vm.id);
    if (current === null) throw recordVanished(this.#vm.name, storeUrl);
    const own = ownRecord(current, this.#host.identity.id, epoch);
    if (own === null) return current;
    const { owner, packageId } = own;
    const next = nextRecord(this.#host, { vmId: own.vmId, vmName: own.vmName }, own, {
      epoch,
      state: { state: 'running', owner, packageId, lease: { durationMs: leaseMs } },
    });
    const outcome = await swap(this.#host, ownership, own, next);
    if (outcome.isWon) return null;
    const seen = outcome.current;
    if (seen !== null && ownRecord(seen, owner, epoch) === null) return seen;
    throw new Error('the record was changed while it was renewed');
  }

  async #keep(): Promise<void> {
    if (this.#heldSince !== null) await this.#sleep(this.#times.renewMs);
    for (;;) {
      const renewal = await this.renew();
      this.#ending.signal.throwIfAborted();
      if (renewal.kind === 'lost') {
        await this.#pause();
        this.abandon();
        this.#options.onLost(renewal.record);
        return;
      }
      if (renewal.kind === 'held') await this.#goOn();
      await this.#sleep(renewal.kind === 'held' ? this.#times.renewMs : this.#retryMs);
    }
  }

  async #guard(): Promise<void> {
    for (;;) {
      const isDue = this.leftMs === 0 && this.#vm.record.state === 'running' && this.#vm.instance !== null;
      if (isDue) {
        // Not waited for, and written down with the pause: after a crash in between it would be taken for one that a person paused.
        if (this.#vm.record.ownership?.leasePause === 'none')
          void this.#mark('ending', this.#vm.record.reason);
        if (await this.#pause()) await this.#notePause();
      }
      await this.#sleep(isDue ? PAUSE_RETRY_MS : Math.max(1, Math.min(this.leftMs || TICK_MS, TICK_MS)));
    }
  }

  /** False when something was in the way. */
  async #pause(): Promise<boolean> {
    const { instance, record } = this.#vm;
    if (instance === null || record.state !== 'running') return true;
    try {
      await instance.pause();
      this.#isPauseDoubtful = false;
      return true;
    } catch (error) {
      if (isKelpieError(error, 'vm_busy')) return false;
      this.#isPauseDoubtful = true;
      this.#host.log.error({ event: 'lease-pause-failed', vmId: this.#vm.id, err: asError(error) });
      return false;
    }
  }

  async #notePause(): Promise<void> {
    const { storeUrl } = this.right;
    this.#host.log.error({ event: 'lease-paused', vmId: this.#vm.id, storeUrl, why: this.#trouble });
    const reason = `paused: its lease could not be renewed in ${storeUrl}; it goes on when it is`;
    await this.#mark('paused', reason);
    // Nothing executes until a renewal lights another one. A frozen process would answer nobody.
    await this.#options.fuse.disarm();
  }

  /** What the end of the lease had paused goes on. */
  async #goOn(): Promise<void> {
    if (this.#vm.record.ownership?.leasePause === 'none' || this.#vm.record.ownership === null) return;
    try {
      await this.#options.whileIdle(() => this.#resume());
    } catch (error) {
      this.#host.log.error({ event: 'lease-resume-failed', vmId: this.#vm.id, err: asError(error) });
    }
  }

  async #resume(): Promise<void> {
    const { instance, record } = this.#vm;
    if (instance === null || this.leftMs === 0) return;
    if (record.state === 'running') return this.#makeSureItRuns(instance);
    if (record.state !== 'paused') return;
    await this.#mark('ending', record.reason);
    await instance.resume();
    await this.#mark('none', null);
    this.#host.log.info({ event: 'lease-resumed', vmId: this.#vm.id });
  }

  /** It was to be paused, or about to go on. A VMM that did not answer may have paused it since, as one does that was frozen meanwhile: then nobody knows. */
  async #makeSureItRuns(instance: Pick<VmInstance, 'pause' | 'resume'>): Promise<void> {
    if (this.#isPauseDoubtful) {
      await instance.pause();
      await instance.resume();
      this.#isPauseDoubtful = false;
    }
    // A later pause is a person's.
    await this.#mark('none', null);
  }

  async #mark(leasePause: 'none' | 'paused' | 'ending', reason: string | null): Promise<void> {
    const { ownership } = this.#vm.record;
    if (ownership === null) return;
    try {
      await this.#vm.update({ ownership: { ...ownership, leasePause }, reason });
    } catch (error) {
      this.#host.log.error({ event: 'vm-record-unsaved', vmId: this.#vm.id, err: asError(error) });
    }
  }

  get #retryMs(): number {
    return Math.min(RETRY_MS_MAX, this.right.leaseMs * RETRY_SHARE);
  }

  async #sleep(durationMs: number): Promise<void> {
    await this.#host.env.clock.sleep(durationMs, this.#ending.signal);
  }
}
