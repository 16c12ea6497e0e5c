/** Tells each change of an ownership record, for traces: who may run the VM from here on. */
import { vmKeyOf } from '../world/guest.ts';
import type { World } from '../world/world.ts';
import { hostIdOf } from './site-view.ts';
import { newestRecords } from './store-view.ts';
import type { RecordSeen } from './store-view.ts';

export class RecordStory {
  readonly #world: World;
  readonly #told = new Map<string, string>();

  constructor(world: World) {
    this.#world = world;
  }

  look(): void {
    for (const record of newestRecords(this.#world, 'cached')) {
      if (this.#told.get(record.vmId) === record.text) continue;
      this.#told.set(record.vmId, record.text);
      this.#world.truth.tell('record', this.#textOf(record), 'store');
    }
  }

  #textOf({ vmId, epoch, state, owner, packageId }: RecordSeen): string {
    const vmKey = vmKeyOf(vmId);
    const who = owner === null ? '' : ` on ${this.#siteOf(owner)}`;
    const where = packageId === null ? '' : ` in ${packageId.slice(0, 8)}`;
    return `${vmKey} epoch ${epoch}: ${state}${who}${where}`;
  }

  /** The name of the site that has a host's id. */
  #siteOf(hostId: string): string {
    const site = this.#world.sites.find((candidate) => hostIdOf(candidate) === hostId);
    return site?.name ?? hostId.slice(0, 8);
  }
}
