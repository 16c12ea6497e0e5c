import { ObjectOwnership } from '../../src/store/records/object-ownership.ts';
import type { CreateObjectsFixture } from './object-store-suite.ts';
import type { OwnershipFixture } from './ownership-suite.ts';

/** Ownership records over any object store. */
export function objectOwnershipFixtures(
  createObjects: CreateObjectsFixture,
): () => Promise<OwnershipFixture> {
  return async () => {
    const fixture = await createObjects();
    const below = await fixture.open();
    return {
      open: async () => ({ ownership: new ObjectOwnership(await fixture.open()) }),
      objects: {
        names: async () => (await below.list({ prefix: '' })).objects.map(({ key }) => key),
        read: async (name) => (await below.get(name))?.bytes ?? new Uint8Array(0),
        write: async (name, bytes) => void (await below.put(name, bytes)),
      },
      close: async () => await fixture.close(),
    };
  };
}
