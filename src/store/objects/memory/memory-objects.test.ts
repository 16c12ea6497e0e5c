import { createNodeEnv } from '../../../env/node/env.ts';
import { objectStoreSuite } from '../../../../test/support/object-store-suite.ts';
import { MemoryObjects } from './memory-objects.ts';

objectStoreSuite('objects in memory', async () => {
  const store = new MemoryObjects(createNodeEnv());
  return { open: async () => store, close: async () => undefined };
});
