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
import { replaceDurably } from '../../env/durable-files.ts';
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
 * Compares a store's keys with what this host remembers of them, and remembers them; when others of this host do so at the same time, some of them.
 * @param home absolute path of `KELPIE_HOME`.
 * @param keys null when the store is plain: nothing is remembered of such.
 * @throws KelpieError `permission_denied` when they are none, others or older; `snapshot_corrupt` when what was remembered is damaged; `disk_full`, `io_failed`.
 */
export async function checkKnownStore(
  env: Pick<Env, 'compute' | 'files'>,
  home: string,
  url: string,
  keys: StoreKeys | null,
): Promise<void> {
  const directory = `${home}/keys/stores`;
  const path = `${directory}/${env.compute.sha256(utf8(url))}.json`;
  const known = await readKnown(env.files, path);
  if (known !== null) requireSame(known, keys, path);
  if (keys === null || known?.revision === keys.revision) return;
  await attemptLocally(`write down the keys of the store ${url}`, async () => {
    await env.files.makeDirectory(directory);
    const lock = await env.files.tryLock(`${directory}/lock`);
    // Whoever holds it writes down what it saw; what this one saw is then newer news next time.
    if (lock === null) return;
    try {
      await remember(env.files, path, url, keys);
    } finally {
      await lock.release();
    }
  });
}

/** Under the lock: nobody else writes, and what was written since is not written over by something older. */
async function remember(files: Env['files'], path: string, url: string, keys: StoreKeys): Promise<void> {
  const known = await readKnown(files, path);
  if (known !== null && known.revision >= keys.revision) return;
  const document = {
    formatVersion: FORMAT_VERSION,
    keyIds: keys.dataKeys.map(({ id }) => id),
    revision: keys.revision,
    url,
  };
  await replaceDurably(files, path, utf8(canonicalJson(document)));
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
