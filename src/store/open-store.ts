import { KelpieError } from '../base/errors.ts';
import type { Architecture } from '../snapshot/metadata.ts';
import { STORE_URL_LENGTH_MAX } from './limits.ts';
import { LocalOwnership } from './local/local-ownership.ts';
import { LocalStorage } from './local/local-storage.ts';
import { LocalStore } from './local/local-store.ts';
import type { LocalStoreEnv } from './local/local-store.ts';
import type { OwnershipRecords } from './ownership-records.ts';
import type { TeleportStorage } from './teleport-storage.ts';

/** A store: packages, and who may run which VM. */
export interface Store {
  readonly storage: TeleportStorage;
  readonly ownership: OwnershipRecords;
}

export interface OpenStoreOptions {
  readonly hostArchitecture: Architecture;
}

/**
 * Opens the store that a URL names: an absolute path, `file:///path`.
 * @throws KelpieError `invalid_argument` for a URL that names no store of this version, `store_unavailable`,
 * `package_too_new`.
 */
export async function openStore(env: LocalStoreEnv, url: string, options: OpenStoreOptions): Promise<Store> {
  const store = await LocalStore.open(env, url, pathOfStore(url));
  return { storage: new LocalStorage(store, options.hostArchitecture), ownership: new LocalOwnership(store) };
}

/** The directory that a store's URL names. @throws KelpieError `invalid_argument`. */
export function pathOfStore(url: string): string {
  if (url.length > STORE_URL_LENGTH_MAX) throw invalid('the name of the store is too long.');
  if (url.startsWith('s3://'))
    throw invalid(`this version has no S3 stores yet: use a directory instead of ${url}.`);
  const path = url.startsWith('file:///') ? pathOfFileUrl(url) : url;
  if (!path.startsWith('/')) throw invalid(`"${url}" names no store: use an absolute path, or file:///path.`);
  if (path.includes('\0')) throw invalid('the name of the store has a NUL in it.');
  return path.replace(/(?<=.)\/+$/, '');
}

function pathOfFileUrl(url: string): string {
  try {
    return decodeURIComponent(url.slice('file://'.length));
  } catch (error) {
    throw invalid(`"${url}" is not a file URL: its % signs are not followed by bytes.`, error);
  }
}

function invalid(sentence: string, cause?: unknown): KelpieError {
  return new KelpieError('invalid_argument', sentence, { cause });
}
