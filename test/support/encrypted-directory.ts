import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createNodeEnv } from '../../src/env/node/env.ts';
import { createEncryptedStore } from '../../src/store/keys/change-store-keys.ts';
import { createIdentityFile } from '../../src/store/keys/key-files.ts';
import { openObjects } from '../../src/store/objects/open-objects.ts';

export interface EncryptedDirectory {
  readonly url: string;
  /** `KELPIE_HOME` of the one host that can read it. */
  readonly home: string;
  readonly close: () => Promise<void>;
}

/** A store in a directory, sealed for one host. */
export async function encryptedDirectory(): Promise<EncryptedDirectory> {
  const env = createNodeEnv();
  const directory = await mkdtemp(join(tmpdir(), 'kelpie-store-'));
  const [url, home] = [join(directory, 'store'), join(directory, 'home')];
  await mkdir(url);
  const recipient = await createIdentityFile(env, home);
  await createEncryptedStore(env, await openObjects(env, url), { home, url }, [recipient]);
  return { url, home, close: async () => await rm(directory, { recursive: true }) };
}
