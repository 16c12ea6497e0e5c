/**
 * Locks that make "look, then replace" one act between processes: a file per 256th of the keys, locked by the system, which
 * drops the lock with its holder however that ends. Within a process, those who want the same one wait in line.
 */
import type { Env } from '../../../env/env.ts';
import type { FileLock } from '../../../env/files.ts';
import { utf8 } from '../../../base/bytes.ts';
import { StoreTrouble } from '../store-trouble.ts';

/** How long another process's lock is waited for. What is done under one takes milliseconds; a stopped holder may take for ever. */
const LOCK_WAIT_MS_MAX = 20_000;
/** Between two looks at a held lock: from 0 to this, by lot. */
const LOCK_POLL_MS_MAX = 40;

export class KeyLocks {
  readonly #env: Pick<Env, 'clock' | 'compute' | 'files' | 'random'>;
  readonly #directory: string;
  readonly #lines = new Map<string, Promise<void>>();

  constructor(env: Pick<Env, 'clock' | 'compute' | 'files' | 'random'>, directory: string) {
    this.#env = env;
    this.#directory = directory;
  }

  /** @throws StoreTrouble `contended`; SystemError; what `work` throws. */
  async hold<T>(key: string, work: () => Promise<T>): Promise<T> {
    const name = this.#env.compute.sha256(utf8(key)).slice(0, 2);
    const before = this.#lines.get(name) ?? Promise.resolve();
    const { promise: done, resolve } = Promise.withResolvers<void>();
    const line = before.then(async () => await done);
    this.#lines.set(name, line);
    await before;
    try {
      const lock = await this.#lock(name, key);
      try {
        return await work();
      } finally {
        await lock.release();
      }
    } finally {
      resolve();
      if (this.#lines.get(name) === line) this.#lines.delete(name);
    }
  }

  async #lock(name: string, key: string): Promise<FileLock> {
    const { clock, files, random } = this.#env;
    const endMs = clock.monotonicMs() + LOCK_WAIT_MS_MAX;
    for (;;) {
      const lock = await files.tryLock(`${this.#directory}/${name}`);
      if (lock !== null) return lock;
      if (clock.monotonicMs() > endMs)
        throw new StoreTrouble(
          'contended',
          `another process holds the lock of ${key} and does not let go: look for one that hangs.`,
        );
      await clock.sleep(random.fraction() * LOCK_POLL_MS_MAX);
    }
  }
}
