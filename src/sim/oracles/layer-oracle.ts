/**
 * A guest that executes writes to disk layers that have names, since what it writes elsewhere is gone with its process; and goes on with a memory file that has one,
 * since its next snapshot is the difference to that.
 */
import type { World } from '../world/world.ts';

export class LayerOracle {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  /** Called now and then. */
  check(): void {
    const { truth } = this.#world;
    for (const { vmKey, hostName, isRunning, chain, ram } of truth.guests) {
      if (isRunning && ram.isNameLost)
        truth.violated('layer', `${vmKey} executes on ${hostName} with a memory file that was removed`);
      const removed = isRunning ? chain.find(({ inode }) => inode.links === 0) : undefined;
      if (removed !== undefined)
        truth.violated('layer', `${vmKey} executes on ${hostName} over ${removed.path}, which was removed`);
    }
  }
}
