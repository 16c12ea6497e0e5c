/** One daemon serves a home: a second one finds that out and ends. */
import type { SimProcess } from '../process.ts';
import type { World } from '../world/world.ts';

/** A slow disk may keep it from finding out for a while. */
const TOGETHER_MS_MAX = 60_000;

export class DaemonOracle {
  readonly #world: World;
  /** When a daemon was first seen beside another one of its home. */
  #second: ReadonlyMap<SimProcess, number> = new Map();

  constructor(world: World) {
    this.#world = world;
  }

  /** Called now and then. */
  check(): void {
    const { scheduler, sites, truth } = this.#world;
    const second = new Map<SimProcess, number>();
    for (const { home, machine } of sites) {
      const daemons = machine.processes.filter(({ args }) => args[0] === 'kelpied' && args[1] === home);
      for (const process of daemons.slice(1)) {
        const sinceMs = this.#second.get(process) ?? scheduler.nowMs;
        second.set(process, sinceMs);
        if (scheduler.nowMs - sinceMs > TOGETHER_MS_MAX)
          truth.violated('one-daemon', `${daemons.length} daemons have been in ${home} for a minute`);
      }
    }
    this.#second = second;
  }
}
