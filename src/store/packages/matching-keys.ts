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
  /** It was no store before. */
  readonly isTargetNew: boolean;
}

const keyIdsSchema = z.looseObject({ keyIds: z.array(z.string()) });

export interface MatchOptions extends ActOptions {
  /** A target that is no store yet becomes a plain one, also when the source is encrypted; else one with the keys of the source. */
  readonly makesPlain: boolean;
}

/** Afterwards the target is a store. @throws as `readStoreRoot`. */
export async function matchKeys(
  env: Pick<Env, 'random'>,
  source: ObjectStore,
  target: ObjectStore,
  { makesPlain, ...options }: MatchOptions,
): Promise<KeysOfTwo> {
  const keys = (await readStoreRoot(source, options))?.keys ?? null;
  const before = await readStoreRoot(target, options);
  const { keys: others } = before ?? (await ensureStoreRoot(env, target, makesPlain ? null : keys, options));
  const [isSourceEncrypted, isTargetEncrypted] = [keys !== null, others !== null];
  const areAllThere = keyIdsOf(keys).every((id) => keyIdsOf(others).includes(id));
  const areSame = isSourceEncrypted === isTargetEncrypted && areAllThere;
  return { areSame, isSourceEncrypted, isTargetEncrypted, isTargetNew: before === null };
}

function keyIdsOf(keys: StoreRoot['keys']): readonly string[] {
  const parsed = keyIdsSchema.safeParse(keys);
  return parsed.success ? parsed.data.keyIds : [];
}
