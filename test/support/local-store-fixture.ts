import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Env } from '../../src/env/env.ts';
import { createNodeEnv } from '../../src/env/node/env.ts';
import { openStore } from '../../src/store/open-store.ts';
import type { StoreFixture, StoredObjects } from './store-fixture.ts';

export interface LocalStoreFixture extends StoreFixture {
  readonly env: Env;
  readonly root: string;
}

/** A store in a directory of its own. */
export async function createLocalStoreFixture(): Promise<LocalStoreFixture> {
  const directory = await mkdtemp(join(tmpdir(), 'kelpie-store-'));
  const root = join(directory, 'store');
  await mkdir(root);
  const env = createNodeEnv();
  return {
    env,
    root,
    open: async (hostArchitecture = 'x86_64') => await openStore(env, root, { hostArchitecture }),
    objects: filesBelow(root),
    close: async () => await rm(directory, { recursive: true, force: true }),
  };
}

function filesBelow(root: string): StoredObjects {
  return {
    names: async () => {
      const entries = await readdir(root, { recursive: true, withFileTypes: true });
      return entries
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1));
    },
    read: async (name) => new Uint8Array(await readFile(join(root, name))),
    write: async (name, bytes) => {
      await mkdir(dirname(join(root, name)), { recursive: true });
      await writeFile(join(root, name), bytes);
    },
    remove: async (name) => await rm(join(root, name)),
  };
}
