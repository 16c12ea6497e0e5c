/** `store.json`: what makes a place a store of Kelpie's, and who can read what is in it. The first publisher makes it. */
import { z } from 'zod';
import { utf8 } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import { canonicalJson } from '../../base/canonical-json.ts';
import { KelpieError } from '../../base/errors.ts';
import type { Env } from '../../env/env.ts';
import { parseDocument, uuidSchema } from '../../snapshot/metadata-codec.ts';
import type { ActOptions, ObjectStore } from '../objects/object-store.ts';
import { STORE_ROOT_BYTES_MAX } from './limits.ts';

/** Of stores that this version makes and reads. */
export const STORE_FORMAT_VERSION = 2;
export const STORE_ROOT_KEY = 'store.json';

/** `store/keys` knows what is in it. */
export type StoreKeysJson = Readonly<Record<string, unknown>>;

export interface StoreRoot {
  /** UUID; what a host remembers of a store is remembered under it. */
  readonly storeId: string;
  /** Null in a plain store. */
  readonly keys: StoreKeysJson | null;
}

const rootSchema = z.strictObject({
  formatVersion: z.literal(STORE_FORMAT_VERSION),
  keys: z.record(z.string(), z.unknown()).nullable(),
  storeId: uuidSchema,
});
const firstFormatSchema = z.looseObject({ formatVersion: z.literal(1) });

export function encodeStoreRoot({ storeId, keys }: StoreRoot): Bytes {
  return utf8(canonicalJson({ formatVersion: STORE_FORMAT_VERSION, storeId, keys }));
}

/** The root in bytes that are not trusted. @throws KelpieError `package_corrupt`, `package_too_new`; `store_unavailable` for what an unreleased version made. */
export function parseStoreRoot(bytes: Bytes, url: string): StoreRoot {
  const rules = {
    formatVersion: STORE_FORMAT_VERSION,
    sizeBytesMax: STORE_ROOT_BYTES_MAX,
    code: 'package_corrupt',
  } as const;
  const either = z.union([firstFormatSchema, rootSchema]);
  const root = parseDocument(bytes, either, { what: `the store ${url}`, ...rules });
  if (root.formatVersion === STORE_FORMAT_VERSION) return { storeId: root.storeId, keys: root.keys };
  const message = `the store ${url} was made by a version of Kelpie that was never released: use another place.`;
  throw new KelpieError('store_unavailable', message, { data: { storeUrl: url } });
}

/** Null when nobody has published there yet. @throws as `parseStoreRoot`, StoreTrouble. */
export async function readStoreRoot(store: ObjectStore, options: ActOptions = {}): Promise<StoreRoot | null> {
  const object = await store.get(STORE_ROOT_KEY, options);
  return object === null ? null : parseStoreRoot(object.bytes, store.url);
}

/** The store's root, which is made when there is none. @param keys of a store that is made. @throws as `readStoreRoot`. */
export async function ensureStoreRoot(
  env: Pick<Env, 'random'>,
  store: ObjectStore,
  keys: StoreKeysJson | null,
  options: ActOptions = {},
): Promise<StoreRoot> {
  const found = await readStoreRoot(store, options);
  if (found !== null) return found;
  const root = { storeId: env.random.uuid(), keys };
  const { result } = await store.putIfAbsent(STORE_ROOT_KEY, encodeStoreRoot(root), options);
  if (result === 'written') return root;
  const others = await readStoreRoot(store, options);
  if (others !== null) return others;
  const message = `the store ${store.url} loses what was written to it: check it with \`kelpie doctor --store\`.`;
  throw new KelpieError('store_unavailable', message, { data: { storeUrl: store.url } });
}
