/**
 * What this host remembers of encrypted stores: whoever holds a store can replace its `store.json` by one without keys, by one with keys of their
 * own, or by an older one. A host that has opened the store before notices, and publishes nothing there.
 *
 *     KELPIE_HOME/keys/stores/DIGEST.json   named by the SHA-256 of the store's URL
 */
import { z } from 'zod';
import { utf8 } from '../../base/bytes.ts';
import { canonicalJson } from '../../base/canonical-json.ts';
import { KelpieError } from '../../base/errors.ts';
import { parentDirectory, replaceDurably } from '../../env/durable-files.ts';
import type { Env } from '../../env/env.ts';
import { isSystemError } from '../../env/system-error.ts';
import { attemptLocally } from '../../snapshot/local-failure.ts';
import { parseDocument } from '../../snapshot/metadata-codec.ts';
import { STORE_URL_LENGTH_MAX } from '../limits.ts';
import { DATA_KEYS_MAX, KEY_FILE_BYTES_MAX } from './limits.ts';
import type { StoreKeys } from './store-keys.ts';

const FORMAT_VERSION = 1;

interface KnownStore {
  readonly formatVersion: number;
  readonly keyIds: readonly string[];
  readonly revision: number;
  readonly url: string;
}

const knownSchema: z.ZodType<KnownStore> = z.strictObject({
  formatVersion: z.literal(FORMAT_VERSION),
  keyIds: z
    .array(z.string().regex(/^[0-9a-f]{16}$/))
    .min(1)
    .max(DATA_KEYS_MAX),
  revision: z.int().nonnegative(),
  url: z.string().max(STORE_URL_LENGTH_MAX),
});

/**
 * Compares a store's keys with what this host remembers of them, and remembers them. One call at a time for a store.
 * @param home absolute path of `KELPIE_HOME`.
 * @param keys null when the store is plain, which is remembered of none.
 * @throws KelpieError `permission_denied` when they are none, others or older; `snapshot_corrupt` when what was remembered is damaged; `disk_full`, `io_failed`.
 */
export async function checkKnownStore(
  env: Pick<Env, 'compute' | 'files'>,
  home: string,
  url: string,
  keys: StoreKeys | null,
): Promise<void> {
  const path = `${home}/keys/stores/${env.compute.sha256(utf8(url))}.json`;
  const known = await readKnown(env.files, path);
  if (known !== null) requireSame(known, keys, path);
  if (keys === null) return;
  const keyIds = keys.dataKeys.map(({ id }) => id);
  const { revision } = keys;
  if (known?.revision === revision && known.keyIds.length === keyIds.length) return;
  const document = { formatVersion: FORMAT_VERSION, keyIds, revision, url };
  await attemptLocally(`write down the keys of the store ${url}`, async () => {
    await env.files.makeDirectory(parentDirectory(path));
    await replaceDurably(env.files, path, utf8(canonicalJson(document)));
  });
}

function requireSame(known: KnownStore, keys: StoreKeys | null, path: string): void {
  const refuse = (what: string): never => {
    const message = `the store ${known.url} ${what}: somebody may have tampered with it; when you know why, remove ${path} and try again.`;
    throw new KelpieError('permission_denied', message, { data: { storeUrl: known.url } });
  };
  if (keys === null) return refuse('was encrypted when this host used it before, and is not any more');
  const hasAll = known.keyIds.every((id, index) => keys.dataKeys[index]?.id === id);
  if (!hasAll) return refuse('has other keys than when this host used it before');
  if (keys.revision < known.revision)
    return refuse('has an older list of recipients than when this host used it before');
}

async function readKnown(files: Env['files'], path: string): Promise<KnownStore | null> {
  const bytes = await attemptLocally(`read ${path}`, async () => {
    try {
      return await files.readFile(path, KEY_FILE_BYTES_MAX);
    } catch (error) {
      if (isSystemError(error, 'ENOENT')) return null;
      throw error;
    }
  });
  if (bytes === null) return null;
  const rules = { formatVersion: FORMAT_VERSION, sizeBytesMax: KEY_FILE_BYTES_MAX } as const;
  return parseDocument(bytes, knownSchema, { what: path, ...rules, code: 'snapshot_corrupt' });
}
