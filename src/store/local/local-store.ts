import { z } from 'zod';
import { utf8 } from '../../base/bytes.ts';
import { canonicalJson } from '../../base/canonical-json.ts';
import { KelpieError } from '../../base/errors.ts';
import { KIB } from '../../base/units.ts';
import type { Env } from '../../env/env.ts';
import { isSystemError } from '../../env/system-error.ts';
import { createSynced } from '../../env/durable-files.ts';
import { parseDocument } from '../../snapshot/metadata-codec.ts';
import { storeFailure } from './store-failure.ts';
import type { StoreAct } from './store-failure.ts';
import { Workspace } from './workspace.ts';

export type LocalStoreEnv = Pick<Env, 'files' | 'compute' | 'random'>;

const FORMAT_VERSION = 1;
const MARKER_BYTES_MAX: number = 4 * KIB;
const markerSchema = z.strictObject({ formatVersion: z.literal(FORMAT_VERSION) });
const directories = ['packages', 'blobs', 'ownership', 'uploads'] as const;

/**
 * A store in a directory; `docs/FORMAT.md` has the layout. The directory itself is the user's: it is never made, so that a
 * disk that is not mounted is noticed.
 */
export class LocalStore {
  readonly env: LocalStoreEnv;
  /** As the user wrote it. */
  readonly url: string;
  readonly #root: string;
  #isLaidOut = false;
  #isLayoutDurable = false;

  private constructor(env: LocalStoreEnv, url: string, root: string) {
    this.env = env;
    this.url = url;
    this.#root = root;
  }

  /** @throws KelpieError `store_unavailable` when there is no such directory, `package_too_new` when a newer Kelpie made it. */
  static async open(env: LocalStoreEnv, url: string, root: string): Promise<LocalStore> {
    const store = new LocalStore(env, url, root);
    await store.attempt('open', async () => {
      const { kind } = await env.files.stat(root);
      if (kind !== 'directory')
        throw new KelpieError('store_unavailable', `the store ${url} is not a directory.`);
      store.#isLaidOut = await store.#readMarker();
    });
    return store;
  }

  /** Runs `work`, whose refusals by the system are told as failures of this store. @param act `open`, `write to` … */
  async attempt<T>(act: StoreAct, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw storeFailure(error, this.url, act);
    }
  }

  directory(name: (typeof directories)[number]): string {
    return `${this.#root}/${name}`;
  }

  /** A private place for files that are not published yet. The store is laid out then. */
  async openWorkspace(): Promise<Workspace> {
    await this.layOut();
    return await Workspace.open(this.env, this.directory('uploads'));
  }

  /** Makes the directories, durably, before the first thing is written. */
  async layOut(): Promise<void> {
    if (this.#isLayoutDurable) return;
    // Whoever made the layout may not have come as far as its sync, or that failed.
    if (await this.#readMarker()) await this.env.files.syncDirectory(this.#root);
    else await this.#makeLayout();
    this.#isLaidOut = true;
    this.#isLayoutDurable = true;
  }

  /**
   * What `read` gives, or null where it meets a name that does not exist. That is only believed while the store itself is
   * there: a disk that was unmounted must not look like an empty store.
   */
  async ifThere<T>(read: () => Promise<T>): Promise<T | null> {
    try {
      return await read();
    } catch (error) {
      if (!isSystemError(error, 'ENOENT')) throw error;
    }
    await this.env.files.stat(this.#root);
    if (this.#isLaidOut && !(await this.#readMarker())) {
      throw new KelpieError(
        'store_unavailable',
        `the store ${this.url} is gone: mount it again, and try again.`,
      );
    }
    return null;
  }

  async #makeLayout(): Promise<void> {
    const { files } = this.env;
    for (const name of directories) {
      try {
        // Not with parents: when the store's own directory is gone, nothing may be made in its place.
        await files.makeDirectoryExclusive(this.directory(name));
      } catch (error) {
        if (!isSystemError(error, 'EEXIST')) throw error;
      }
    }
    const workspace = await Workspace.open(this.env, this.directory('uploads'));
    await workspace.use(async () => {
      const marker = `${workspace.path}/store.json`;
      await createSynced(files, marker, utf8(canonicalJson({ formatVersion: FORMAT_VERSION })));
      try {
        await files.link(marker, this.#marker);
      } catch (error) {
        if (!isSystemError(error, 'EEXIST')) throw error;
      }
      await files.syncDirectory(this.#root);
    });
  }

  get #marker(): string {
    return `${this.#root}/store.json`;
  }

  /** False when there is none yet. */
  async #readMarker(): Promise<boolean> {
    let bytes;
    try {
      bytes = await this.env.files.readFile(this.#marker, MARKER_BYTES_MAX);
    } catch (error) {
      if (isSystemError(error, 'ENOENT')) return false;
      throw error;
    }
    const rules = {
      formatVersion: FORMAT_VERSION,
      sizeBytesMax: MARKER_BYTES_MAX,
      code: 'package_corrupt',
    } as const;
    parseDocument(bytes, markerSchema, { what: `the store ${this.url}`, ...rules });
    return true;
  }
}
