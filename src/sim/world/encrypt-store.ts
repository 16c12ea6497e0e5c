/** What people do before anything else in a world whose store is encrypted. */
import { assert } from '../../base/assert.ts';
import { createEncryptedStore } from '../../store/keys/change-store-keys.ts';
import { createHostKeys } from '../../store/keys/host-keys.ts';
import { openPackageSealing } from '../../store/keys/open-sealing.ts';
import { openObjects } from '../../store/objects/open-objects.ts';
import type { PackageSealing } from '../../store/packages/sealing.ts';
import { readStoreRoot } from '../../store/packages/store-root.ts';
import { asPerson } from './as-person.ts';
import type { World } from './world.ts';

/** Each host gets a key, and the store is made for all of them. @returns what opens the packages in it, for whoever looks at them. */
export async function encryptStore({ sites, storeUrl: url }: World): Promise<PackageSealing> {
  const recipients: string[] = [];
  for (const site of sites)
    await asPerson(site, 'setup', async (env) => {
      recipients.push(...(await createHostKeys(env, site.home, false)).recipients);
    });
  const [site] = sites;
  assert(site !== undefined, 'a world has hosts');
  return await asPerson(site, 'setup', async (env) => {
    const objects = await openObjects(env, url);
    await createEncryptedStore(env, objects, { home: site.home, url }, recipients);
    const root = await readStoreRoot(objects);
    return await openPackageSealing(env, { home: site.home, url }, root?.keys ?? null);
  });
}
