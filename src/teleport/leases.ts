/**
 * The rights of this host to run VMs that came from stores. Every way to let such a VM execute goes through `secure`; what `leases` knows besides is which
 * rights must be renewed.
 */
import { KelpieError, asError } from '../base/errors.ts';
import { MINUTE_MS, SECOND_MS } from '../base/units.ts';
import { LeaseFuse } from './lease-fuse.ts';
import { LeaseWatch } from './lease-watch.ts';
import { ownedElsewhere } from './ownership.ts';
import { ownRecord, recordVanished } from './right-to-run.ts';
import type { OwnershipRecord } from '../store/ownership-records.ts';
import type { LeaseRight } from './lease-watch.ts';
import type { ManagedVm } from './managed-vm.ts';
import type { TeleportHost } from './teleport-host.ts';
import type { HeldRight } from './vm-record.ts';

/** How long people wait for a store to say who may run a VM that has no lease. */
const ANSWER_MS_MAX: number = 5 * SECOND_MS;
/** How soon a store that did not answer is asked again; about doubled each time. */
const LOOK_RETRY_MS_MIN: number = 5 * SECOND_MS;
const LOOK_RETRY_MS_MAX: number = 5 * MINUTE_MS;

export interface LeasesOptions {
  /** Runs `act` when nothing else is done with the VM; false when something is. */
  readonly whileIdle: (vm: ManagedVm, act: () => Promise<void>) => Promise<boolean>;
  /** The VM is another's. */
  readonly onLost: (vm: ManagedVm, record: OwnershipRecord) => void;
}

export type LeasesHost = Pick<TeleportHost, 'env' | 'identity' | 'log' | 'openStore' | 'places'>;

/** What is known of a lease now. */
export interface LeaseView {
  readonly leftMs: number;
  /** Why the last renewal failed; null when it did not. */
  readonly trouble: string | null;
}

export class Leases {
  readonly #host: LeasesHost;
  readonly #options: LeasesOptions;
  readonly #watches = new Map<string, LeaseWatch>();
  /** Rights without a lease of which it is not known yet whether they are there; aborted when nobody needs to know. */
  readonly #looks = new Map<string, AbortController>();

  constructor(host: LeasesHost, options: LeasesOptions) {
    this.#host = host;
    this.#options = options;
  }

  /**
   * Holds a right from now on: a lease is renewed, and the VM paused when it cannot be; another right is looked at until the store has answered once. Nothing is done
   * for a VM that never was in a store, or departed, or is watched already.
   */
  watch(vm: ManagedVm): void {
    const { ownership, departed } = vm.record;
    if (ownership === null || departed !== null || this.#watches.has(vm.id)) return;
    const right = leaseRight(ownership);
    if (right !== null) this.#begin(vm, right).start();
    else this.#look(vm, ownership);
  }

  /**
   * Resolves when this host has the right to let the VM execute: a lease was just renewed, its fuse is in force, and the VM's processes are not
   * frozen; or the store says that it is this host's. A VM without a lease whose store does not answer may go on: only a person's word could have taken it; the store
   * is asked again until it has answered.
   * @param right that was just won, before the VM's record says so.
   * @throws KelpieError `vm_owned_elsewhere` when the right is gone, `store_unavailable` when nobody knows.
   */
  async secure(vm: ManagedVm, right: HeldRight | null = vm.record.ownership): Promise<void> {
    if (right === null) return;
    const lease = leaseRight(right);
    if (lease === null) return this.#requireRecord(vm, right);
    const known = this.#watches.get(vm.id);
    const watch = known ?? this.#begin(vm, lease);
    const renewal = await watch.renew();
    if (renewal.kind === 'lost') {
      watch.abandon();
      this.#lost(watch, vm, renewal.record);
      throw ownedElsewhere(renewal.record, vm.name);
    }
    if (known === undefined) watch.start();
    if (renewal.kind === 'held' && watch.leftMs > 0) return;
    throw new KelpieError(
      'store_unavailable',
      `"${vm.name}" may not run now: its lease could not be renewed, since ${right.storeUrl} does not answer; try again when it does.`,
      { cause: renewal.kind === 'unknown' ? renewal.cause : null },
    );
  }

  /** For a VM that this host had paused itself: as `secure`, but a right without a lease is not asked about. */
  async renew(vm: ManagedVm): Promise<void> {
    if (vm.record.ownership?.leaseMs !== null) await this.secure(vm);
  }

  /** The right is not renewed any more; no change of the record by this host is under way when this resolves. */
  async release(vmId: string): Promise<void> {
    this.#stopLooking(vmId);
    const watch = this.#watches.get(vmId);
    this.#watches.delete(vmId);
    await watch?.end();
  }

  /** As `release`, and nothing guards the VM's processes any more: they have ended, or are about to. */
  async drop(vmId: string): Promise<void> {
    await this.release(vmId);
    await this.#fuse(vmId).disarm();
  }

  view(vmId: string): LeaseView | null {
    const watch = this.#watches.get(vmId);
    return watch === undefined ? null : { leftMs: watch.leftMs, trouble: watch.trouble };
  }

  /** True when the VM's processes were stopped while no daemon could renew: nothing can be asked of them until `secure` has let them go on. */
  async isFrozen(vmId: string): Promise<boolean> {
    return await this.#fuse(vmId).isBlown();
  }

  /** Lets stopped processes go on without a right. Only for a VM that is surely paused. */
  async thaw(vmId: string): Promise<void> {
    await this.#fuse(vmId).thaw();
  }

  /** The daemon ends: nothing is renewed any more, and the fuses burn on. */
  end(): void {
    for (const watch of this.#watches.values()) watch.abandon();
    this.#watches.clear();
    for (const vmId of this.#looks.keys()) this.#stopLooking(vmId);
  }

  #begin(vm: ManagedVm, right: LeaseRight): LeaseWatch {
    const watch = new LeaseWatch(this.#host, vm, right, {
      fuse: this.#fuse(vm.id),
      whileIdle: (act) => this.#options.whileIdle(vm, act),
      onLost: (record) => this.#lost(watch, vm, record),
    });
    this.#watches.set(vm.id, watch);
    return watch;
  }

  #lost(watch: LeaseWatch, vm: ManagedVm, record: OwnershipRecord): void {
    if (this.#watches.get(vm.id) === watch) this.#watches.delete(vm.id);
    this.#options.onLost(vm, record);
  }

  #fuse(vmId: string): LeaseFuse {
    return new LeaseFuse(this.#host.env, this.#host.places, vmId);
  }

  async #requireRecord(vm: ManagedVm, right: HeldRight): Promise<void> {
    const record = await this.#read(vm, right);
    if (record === null) return this.#look(vm, right);
    this.#stopLooking(vm.id);
    if (ownRecord(record, this.#host.identity.id, right.epoch) !== null) return;
    this.#options.onLost(vm, record);
    throw ownedElsewhere(record, vm.name);
  }

  /** Nobody waits for this: the VM may run meanwhile. */
  #look(vm: ManagedVm, right: HeldRight): void {
    if (this.#looks.has(vm.id)) return;
    const looking = new AbortController();
    this.#looks.set(vm.id, looking);
    void this.#untilAnswered(vm, right, looking.signal).then((record) => {
      if (looking.signal.aborted) return;
      this.#looks.delete(vm.id);
      if (record === null || vm.record.ownership?.epoch !== right.epoch) return;
      if (ownRecord(record, this.#host.identity.id, right.epoch) === null) this.#options.onLost(vm, record);
    });
  }

  #stopLooking(vmId: string): void {
    this.#looks.get(vmId)?.abort(new Error('nobody needs to know'));
    this.#looks.delete(vmId);
  }

  /** Null when it was aborted. */
  async #untilAnswered(
    vm: ManagedVm,
    right: HeldRight,
    signal: AbortSignal,
  ): Promise<OwnershipRecord | null> {
    for (let waitMs = LOOK_RETRY_MS_MIN; ; waitMs = Math.min(2 * waitMs, LOOK_RETRY_MS_MAX)) {
      const record = await this.#ask(vm, right);
      if (record !== null || signal.aborted) return record;
      try {
        await this.#host.env.clock.sleep(waitMs, signal);
      } catch (error) {
        if (signal.aborted) return null;
        throw error;
      }
    }
  }

  /** Null when the store does not answer in time: people wait for this. */
  async #read(vm: ManagedVm, right: HeldRight): Promise<OwnershipRecord | null> {
    const answered = new AbortController();
    const late = this.#host.env.clock.sleep(ANSWER_MS_MAX, answered.signal).then(
      () => null,
      () => null,
    );
    const record = await Promise.race([this.#ask(vm, right), late]);
    answered.abort(new Error('answered'));
    return record;
  }

  /** Null when the store does not answer. */
  async #ask(vm: ManagedVm, { storeUrl }: HeldRight): Promise<OwnershipRecord | null> {
    try {
      const { ownership } = await this.#host.openStore(storeUrl);
      const record = await ownership.read(vm.id);
      if (record === null) throw recordVanished(vm.name, storeUrl);
      return record;
    } catch (error) {
      this.#host.log.error({ event: 'right-not-known', vmId: vm.id, storeUrl, err: asError(error) });
      return null;
    }
  }
}

function leaseRight({ storeUrl, epoch, leaseMs }: HeldRight): LeaseRight | null {
  return leaseMs === null ? null : { storeUrl, epoch, leaseMs };
}
