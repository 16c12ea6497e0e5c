/** Whether what is sealed in one store can be opened in another. */
import { z } from 'zod';
import type { Env } from '../../env/env.ts';
import type { ActOptions, ObjectStore } from '../objects/object-store.ts';
import { ensureStoreRoot, readStoreRoot } from './store-root.ts';
import type { StoreRoot } from './store-root.ts';

export interface KeysOfTwo {
  /** Whoever can open what is in the source can open it in the target too. */
  readonly areSame: boolean;
  readonly isSourceEncrypted: boolean;
  readonly isTargetEncrypted: boolean;
}

const keyIdsSchema = z.looseObject({ keyIds: z.array(z.string()) });

/** A target that is no store yet becomes one with the keys of the source. @throws as `readStoreRoot`. */
export async function matchKeys(
  env: Pick<Env, 'random'>,
  source: ObjectStore,
  target: ObjectStore,
  options: ActOptions,
): Promise<KeysOfTwo> {
  const keys = (await readStoreRoot(source, options))?.keys ?? null;
  const { keys: others } = await ensureStoreRoot(env, target, keys, options);
  const [isSourceEncrypted, isTargetEncrypted] = [keys !== null, others !== null];
  const areAllThere = keyIdsOf(keys).every((id) => keyIdsOf(others).includes(id));
  const areSame = isSourceEncrypted === isTargetEncrypted && areAllThere;
  return { areSame, isSourceEncrypted, isTargetEncrypted };
}

function keyIdsOf(keys: StoreRoot['keys']): readonly string[] {
  const parsed = keyIdsSchema.safeParse(keys);
  return parsed.success ? parsed.data.keyIds : [];
}
