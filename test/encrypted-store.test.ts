/** An encrypted store keeps every promise of a plain one. */
import { createNodeEnv } from '../src/env/node/env.ts';
import { encryptedDirectory } from './support/encrypted-directory.ts';
import { storeFixture } from './support/store-fixture.ts';
import { teleportStorageSuite } from './support/teleport-storage-suite.ts';

teleportStorageSuite('an encrypted directory', async () => {
  const { url, home, close } = await encryptedDirectory();
  return storeFixture(createNodeEnv(), url, close, home);
});
