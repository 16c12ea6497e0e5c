/**
 * Runs an act once for each call that it makes to the world, and kills its process there: as by `kill -9`, neither this
 * call nor any later one is made or answered, and the system drops the process's locks. What then lies on the disk must
 * be recoverable, which `check` looks at.
 */
import assert from 'node:assert/strict';
import type { Env } from '../../src/env/env.ts';
import { faultyEnv, killAt } from './faulty-env.ts';
import type { Call } from './faulty-env.ts';

/** Acts are short in tests; more calls mean that one does not end. */
const POINTS_MAX = 2000;

export interface CrashScenario<World> {
  /** Kills at every so-manieth call only; default 1. For acts whose calls another scenario has been through one by one. */
  readonly stride?: number;
  /** A new world for each crash. */
  create(): Promise<{ readonly env: Env; readonly world: World; close(): Promise<void> }>;
  /** The act, in a process that is killed. @param over aborted then: what waits beside the world's calls is to end. */
  act(env: Env, world: World, over: AbortSignal): Promise<unknown>;
  /** Looks at the world that was left behind, as another process. `killedAt` is null when the act came to its end. */
  check(env: Env, world: World, killedAt: Call | null): Promise<void>;
}

/** @returns how many times the act was killed. */
export async function forEachCrashPoint<World>(scenario: CrashScenario<World>): Promise<number> {
  let kills = 0;
  const { stride = 1 } = scenario;
  while (await killOnce(scenario, kills * stride + 1)) {
    kills += 1;
    assert.ok(kills < POINTS_MAX, 'the act comes to an end');
  }
  return kills;
}

async function killOnce<World>(scenario: CrashScenario<World>, number: number): Promise<boolean> {
  const created = await scenario.create();
  const { env, world } = created;
  const owned = new OwnedResources(env);
  const { onCall, killed } = killAt(number);
  const over = new AbortController();
  try {
    const act = scenario.act(faultyEnv(owned.env, { onCall }).env, world, over.signal);
    const killedAt = await Promise.race([act.then(() => null), killed]);
    over.abort();
    await owned.drop(killedAt !== null);
    try {
      await scenario.check(env, world, killedAt);
    } catch (error) {
      const where =
        killedAt === null ? 'at the end' : `killed at call ${number}, ${killedAt.act} ${killedAt.subject}`;
      throw new Error(`${where}: ${String(error)}`, { cause: error });
    }
    return killedAt !== null;
  } finally {
    await created.close();
  }
}

/** What the system takes back from a process that has ended: it closes its files and drops its locks. */
class OwnedResources {
  readonly env: Env;
  readonly #drops: (() => Promise<void>)[] = [];
  #isKilled = false;

  constructor(env: Env) {
    const { files } = env;
    this.env = {
      ...env,
      files: {
        ...files,
        open: async (path, mode, permissions) => {
          const handle = await files.open(path, mode, permissions);
          return this.#own(handle, async () => await handle.close());
        },
        tryLock: async (path) => {
          const lock = await files.tryLock(path);
          return lock === null ? null : this.#own(lock, async () => await lock.release());
        },
      },
    };
  }

  /** What the process asked for before it was killed and the system gave after it: it is taken back at once, and nobody hears of it. */
  async #own<T>(resource: T, drop: () => Promise<void>): Promise<T> {
    this.#drops.push(drop);
    if (!this.#isKilled) return resource;
    await drop();
    return await new Promise<never>(() => {});
  }

  /** @param isKilled whether what is under way yet is given to nobody. */
  async drop(isKilled: boolean): Promise<void> {
    this.#isKilled = isKilled;
    await Promise.all(this.#drops.map(async (drop) => await drop()));
  }
}
