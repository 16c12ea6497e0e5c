/** A guest that executes writes to files that have names: what it writes elsewhere is gone with its process. */
import type { World } from '../world/world.ts';

export class LayerOracle {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  /** Called now and then. */
  check(): void {
    const { truth } = this.#world;
    for (const { vmKey, hostName, isRunning, chain } of truth.guests) {
      const removed = isRunning ? chain.find(({ inode }) => inode.links === 0) : undefined;
      if (removed !== undefined)
        truth.violated('layer', `${vmKey} executes on ${hostName} over ${removed.path}, which was removed`);
    }
  }
}
