/** A snapshot of a machine that has worked for a moment, taken once for all tests that load one. */
import type { World } from './case.ts';
import { pausedWithBase } from './machine.ts';

const FILES = ['base.state', 'base.memory'];

export class BaseSnapshot {
  readonly #openWorld: () => Promise<World>;
  #taken: Promise<World> | null = null;

  /** @param openWorld where it is taken, and kept until `close`. */
  constructor(openWorld: () => Promise<World>) {
    this.#openWorld = openWorld;
  }

  /** Copies `base.state` and `base.memory` to a folder: a test may damage its own. */
  async into(folder: string): Promise<void> {
    this.#taken ??= this.#take();
    const { folder: taken, outside } = await this.#taken;
    const { files } = outside.env;
    await files.makeDirectory(folder);
    for (const name of FILES) await files.clone(`${taken}/vm/${name}`, `${folder}/${name}`);
  }

  async close(): Promise<void> {
    if (this.#taken !== null) await (await this.#taken).close();
  }

  async #take(): Promise<World> {
    const world = await this.#openWorld();
    try {
      const one = await pausedWithBase(world);
      await one.kill();
      return world;
    } catch (error) {
      await world.close();
      throw error;
    }
  }
}
