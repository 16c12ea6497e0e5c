/**
 * A VM that the store gives to a host executes there and nowhere else; also while nobody else runs it yet. Without reclaims by force there is no exception: a host whose
 * right is gone has stopped before.
 */
import { vmKeyOf } from '../world/guest.ts';
import type { World } from '../world/world.ts';
import { hostIdAt } from './site-view.ts';
import { newestRecords } from './store-view.ts';

export class OwnerOracle {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  /** Called now and then. */
  check(): void {
    const { truth } = this.#world;
    for (const { vmId, owner, text } of newestRecords(this.#world, 'cached')) {
      if (owner === null) continue;
      const vmKey = vmKeyOf(vmId);
      for (const { hostName } of truth.running(vmKey)) {
        const hostId = hostIdAt(this.#world, hostName);
        if (hostId !== null && hostId !== owner)
          truth.violated('owner', `${vmKey} executes on ${hostName} while the store says ${text}`);
      }
    }
  }
}
