import { createNodeEnv } from '../../src/env/node/env.ts';
import { createStoreKeys } from '../../src/store/keys/store-keys.ts';
import type { Env } from '../../src/env/env.ts';
import type { StoreKeys } from '../../src/store/keys/store-keys.ts';

export interface KeyHolder {
  readonly identity: string;
  readonly recipient: string;
}

/** Somebody with a key of age. */
export async function createKeyHolder({ age }: Pick<Env, 'age'> = createNodeEnv()): Promise<KeyHolder> {
  const identity = await age.createIdentity();
  return { identity, recipient: await age.recipientOf(identity) };
}

/** Keys of a store whose recipient is nobody: for what is derived from them. */
export function sampleStoreKeys(): StoreKeys {
  return createStoreKeys(createNodeEnv(), ['age1nobody']);
}
