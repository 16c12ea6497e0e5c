/**
 * Where a directory keeps objects: each is a file at its key. What is not an object lies under `.kelpie-objects/`, which no key
 * can name:
 *
 *     parts/UUID            a body on its way; linked or renamed to its key when it is whole and synced
 *     uploads/UUID/         see local-uploads.ts
 *     locks/XX              see key-locks.ts
 *
 * Directories of keys are made when they are needed and never removed, so that nobody removes one that another is about to use.
 */
import type { Bytes } from '../../../base/bytes.ts';
import { createSynced, parentDirectory } from '../../../env/durable-files.ts';
import type { Env } from '../../../env/env.ts';
import { isSystemError } from '../../../env/system-error.ts';
import { StoreTrouble } from '../store-trouble.ts';
import { localTrouble, unsureTrouble } from './local-trouble.ts';

export type LocalObjectsEnv = Pick<Env, 'clock' | 'compute' | 'files' | 'random'>;

/** A body that is older is no longer on its way: its writer was killed. */
const PART_AGE_MS_MAX = 86_400_000;
const own = '.kelpie-objects';
const ownDirectories = ['parts', 'uploads', 'locks'] as const;

export class ObjectTree {
  readonly env: LocalObjectsEnv;
  readonly url: string;
  readonly root: string;
  /** Directories whose own names are known to be durable. */
  readonly #durable = new Set<string>();
  #isLaidOut = false;

  constructor(env: LocalObjectsEnv, url: string, root: string) {
    this.env = env;
    this.url = url;
    this.root = root;
  }

  /** Runs `work`, whose refusals by the system are told as this store's. */
  async attempt<T>(use: 'read' | 'write', work: () => Promise<T>): Promise<T> {
    try {
      if (use === 'write') await this.#layOut();
      return await work();
    } catch (error) {
      throw localTrouble(error, this.url, use === 'write');
    }
  }

  pathOf(key: string): string {
    return `${this.root}/${key}`;
  }

  ownDirectory(name: (typeof ownDirectories)[number]): string {
    return `${this.root}/${own}/${name}`;
  }

  /**
   * What `read` gives, or null where it meets a name that does not exist. That is only believed while the store itself is there: a
   * disk that was unmounted must not look like an empty store.
   */
  async ifThere<T>(read: () => Promise<T>): Promise<T | null> {
    try {
      return await read();
    } catch (error) {
      if (!isSystemError(error, 'ENOENT', 'ENOTDIR')) throw error;
    }
    await this.env.files.stat(this.#isLaidOut ? `${this.root}/${own}` : this.root);
    return null;
  }

  /** Writes a body, synced, to a name of its own, for `use` to link or rename; then the name is gone. */
  async withPart<T>(bytes: Bytes, use: (part: string) => Promise<T>): Promise<T> {
    const part = `${this.ownDirectory('parts')}/${this.env.random.uuid()}`;
    try {
      await createSynced(this.env.files, part, bytes);
      return await use(part);
    } finally {
      await this.env.files.removeTree(part);
    }
  }

  /** Gives a file the name of a key. @returns false when it is taken already. */
  async link(part: string, key: string): Promise<boolean> {
    await this.makeParents(key);
    try {
      await this.env.files.link(part, this.pathOf(key));
    } catch (error) {
      if (!isSystemError(error, 'EEXIST')) throw partLost(error, key);
      // Its writer may not have come that far.
      await this.sync(key);
      return false;
    }
    await this.sync(key);
    return true;
  }

  /** Gives a file the name of a key, whoever had it. */
  async rename(part: string, key: string): Promise<void> {
    await this.makeParents(key);
    try {
      await this.env.files.rename(part, this.pathOf(key));
    } catch (error) {
      throw partLost(error, key);
    }
    await this.sync(key);
  }

  /** Makes the name of a key durable, after a change of it. @throws StoreTrouble with an unknown outcome. */
  async sync(key: string): Promise<void> {
    try {
      await this.env.files.syncDirectory(parentDirectory(this.pathOf(key)));
    } catch (error) {
      throw unsureTrouble(error, this.url);
    }
  }

  async makeParents(key: string): Promise<void> {
    let directory = this.root;
    for (const segment of key.split('/').slice(0, -1)) {
      directory = `${directory}/${segment}`;
      await this.#makeDurableDirectory(directory);
    }
  }

  /** The directories of our own; not the root, so that a disk that is not mounted is noticed. */
  async #layOut(): Promise<void> {
    if (this.#isLaidOut) return;
    await this.#makeDurableDirectory(`${this.root}/${own}`);
    for (const name of ownDirectories) await this.#makeDurableDirectory(this.ownDirectory(name));
    this.#isLaidOut = true;
    await this.#removeOldParts();
  }

  /** One that another process has just made may not be durable yet. */
  async #makeDurableDirectory(directory: string): Promise<void> {
    if (this.#durable.has(directory)) return;
    try {
      await this.env.files.makeDirectoryExclusive(directory);
    } catch (error) {
      if (!isSystemError(error, 'EEXIST')) throw error;
    }
    await this.env.files.syncDirectory(parentDirectory(directory));
    this.#durable.add(directory);
  }

  async #removeOldParts(): Promise<void> {
    const { clock, files } = this.env;
    const oldMs = clock.wallMs() - PART_AGE_MS_MAX;
    for (const name of await files.list(this.ownDirectory('parts'))) {
      const path = `${this.ownDirectory('parts')}/${name}`;
      const stat = await this.ifThere(async () => await files.stat(path));
      if (stat !== null && stat.modifiedMs < oldMs) await files.removeTree(path);
    }
  }
}

/** A part goes away only when somebody took its writer for dead, or when the whole store does. */
function partLost(error: unknown, key: string): unknown {
  if (!isSystemError(error, 'ENOENT')) return error;
  return new StoreTrouble('unavailable', `${key} was lost on its way into the store: try again.`, {
    cause: error,
  });
}
