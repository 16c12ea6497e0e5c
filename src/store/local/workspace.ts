/**
 * A private directory of one writer, `uploads/UUID/`, for what is not published yet. A lock in it says that its writer
 * lives: the system drops the lock with the process, however that ends, so what is left behind is told from what is under
 * way without a clock.
 *
 *     open: make directory ─▶ lock ─▶ in use ─▶ close: remove ─▶ unlock
 *               │                        └── crash: the lock is dropped, sweep removes the directory
 *               └── sweep was faster (it locked or removed the directory): open another one
 */
import { KelpieError } from '../../base/errors.ts';
import { isUuid } from '../../base/uuid.ts';
import type { Env } from '../../env/env.ts';
import type { FileLock } from '../../env/files.ts';
import { isSystemError } from '../../env/system-error.ts';

/** Losing to a sweep this often in a row does not happen. */
const OPEN_ATTEMPTS_MAX = 8;

export class Workspace {
  readonly path: string;
  readonly #env: Pick<Env, 'files'>;
  readonly #lock: FileLock;

  private constructor(env: Pick<Env, 'files'>, path: string, lock: FileLock) {
    this.#env = env;
    this.path = path;
    this.#lock = lock;
  }

  /** @throws SystemError; KelpieError `store_unavailable`. */
  static async open(env: Pick<Env, 'files' | 'random'>, uploads: string): Promise<Workspace> {
    for (let attempt = 0; attempt < OPEN_ATTEMPTS_MAX; attempt += 1) {
      const path = `${uploads}/${env.random.uuid()}`;
      await env.files.makeDirectoryExclusive(path);
      const lock = await tryLockIn(env, path);
      if (lock !== null) return new Workspace(env, path, lock);
    }
    throw new KelpieError('store_unavailable', 'the store is being cleaned up by another host: try again.');
  }

  /** Runs `work`, then removes the workspace. What cannot be removed is left to `sweepWorkspaces`: the work is done, or failed, by itself. */
  async use<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } finally {
      await Promise.allSettled([this.#close()]);
    }
  }

  async #close(): Promise<void> {
    try {
      await this.#env.files.removeTree(this.path);
    } finally {
      await this.#lock.release();
    }
  }
}

/** Removes the workspaces whose writers are gone, and nothing else. */
export async function sweepWorkspaces(
  env: Pick<Env, 'files'>,
  uploads: string,
): Promise<{ readonly removed: number; readonly removedBytes: number }> {
  const total = { removed: 0, removedBytes: 0 };
  for (const name of await env.files.list(uploads)) {
    if (!isUuid(name)) continue;
    const path = `${uploads}/${name}`;
    const lock = await tryLockIn(env, path);
    if (lock === null) continue;
    try {
      total.removedBytes += await allocatedBytes(env, path);
      await env.files.removeTree(path);
      total.removed += 1;
    } catch (error) {
      // Its writer was just closing it.
      if (!isSystemError(error, 'ENOENT')) throw error;
    } finally {
      await lock.release();
    }
  }
  return total;
}

/** Null when another holds it, or the directory is gone. */
async function tryLockIn(env: Pick<Env, 'files'>, path: string): Promise<FileLock | null> {
  try {
    return await env.files.tryLock(`${path}/lock`);
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return null;
    throw error;
  }
}

/** What a workspace takes: files, and directories of files, no deeper. */
async function allocatedBytes(env: Pick<Env, 'files'>, workspace: string): Promise<number> {
  let bytes = 0;
  for (const name of await env.files.list(workspace)) {
    const path = `${workspace}/${name}`;
    const stat = await env.files.lstat(path);
    if (stat.kind !== 'directory') {
      bytes += stat.allocatedBytes;
      continue;
    }
    for (const inner of await env.files.list(path))
      bytes += (await env.files.lstat(`${path}/${inner}`)).allocatedBytes;
  }
  return bytes;
}
