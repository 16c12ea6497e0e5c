/**
 * Nothing runs twice: of each VM at most one copy executes, only where the store's record allows it, and what the record
 * says only goes forward.
 */
import { vmKeyOf } from '../world/guest.ts';
import type { Guest } from '../world/guest.ts';
import type { World } from '../world/world.ts';
import { hostIdAt } from './site-view.ts';
import { newestRecords } from './store-view.ts';
import type { RecordSeen } from './store-view.ts';

export class OwnershipOracle {
  readonly #world: World;
  /** By VM: the newest record that was durable when it was seen. */
  readonly #seen = new Map<string, RecordSeen>();

  constructor(world: World) {
    this.#world = world;
    world.truth.onRunning.push((guest) => this.#onRunning(guest));
    // A lease may run out while its VM is loaded, and another host take it: then what was loaded does not go on.
    if (!world.isVanishing) world.truth.onLoaded.push((guest) => this.#onLoaded(guest));
  }

  /** Called now and then. */
  check(): void {
    for (const record of newestRecords(this.#world, 'durable')) this.#checkForward(record);
    for (const record of newestRecords(this.#world, 'cached')) this.#checkNoneRuns(record);
  }

  #onRunning(guest: Guest): void {
    const { truth } = this.#world;
    const running = truth.running(guest.vmKey);
    if (running.length > 1) {
      const where = running.map(({ hostName }) => hostName).join(' and ');
      truth.violated('one-copy', `${guest.vmKey} runs ${running.length} times: on ${where}`);
    }
    for (const record of newestRecords(this.#world, 'cached')) this.#checkNoneRuns(record);
  }

  /** Claimed first, loaded then: whoever loads what is not theirs relies on the look before it goes on alone. */
  #onLoaded({ vmKey, hostName }: Guest): void {
    const { truth } = this.#world;
    const hostId = hostIdAt(this.#world, hostName);
    for (const { vmId, owner, text } of newestRecords(this.#world, 'cached')) {
      if (vmKeyOf(vmId) === vmKey && owner !== hostId)
        truth.violated('claim', `${vmKey} was loaded on ${hostName} while the store says ${text}`);
    }
  }

  #checkForward(record: RecordSeen): void {
    const before = this.#seen.get(record.vmId);
    this.#seen.set(record.vmId, record);
    if (before === undefined) return;
    const { truth } = this.#world;
    if (record.epoch < before.epoch || record.revision < before.revision) {
      truth.violated(
        'epochs',
        `the record of ${record.vmId} went back from ${before.text} to ${record.text}`,
      );
    }
    if (record.epoch === before.epoch && holderOf(record) !== holderOf(before)) {
      truth.violated('epochs', `${record.vmId} went by one epoch from ${before.text} to ${record.text}`);
    }
    if (record.revision === before.revision && record.text !== before.text) {
      truth.violated(
        'epochs',
        `revision ${record.revision} of ${record.vmId} changed from ${before.text} to ${record.text}`,
      );
    }
  }

  #checkNoneRuns(record: RecordSeen): void {
    const vmKey = vmKeyOf(record.vmId);
    if (record.state === 'running' || record.state === 'departing') return;
    for (const guest of this.#world.truth.running(vmKey)) {
      this.#world.truth.violated(
        'right-to-run',
        `${vmKey} runs on ${guest.hostName} while the store says ${record.text}`,
      );
    }
  }
}

/** Who has the right: a host, or whoever claims a package that rests. */
function holderOf({ owner, state, packageId }: RecordSeen): string {
  return owner ?? `${state} ${packageId ?? ''}`;
}
