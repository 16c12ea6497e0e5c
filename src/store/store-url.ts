import { KelpieError } from '../base/errors.ts';
import { STORE_URL_LENGTH_MAX } from './limits.ts';

/** Whether a store is in a directory of this machine, perhaps a mounted one. */
export function isDirectoryUrl(url: string): boolean {
  return url.startsWith('/') || url.startsWith('file:');
}

/** The directory that a store's URL names. @throws KelpieError `invalid_argument`. */
export function pathOfStore(url: string): string {
  if (url.length > STORE_URL_LENGTH_MAX) throw invalid('the name of the store is too long.');
  const path = url.startsWith('file:///') ? pathOfFileUrl(url) : url;
  if (!path.startsWith('/'))
    throw invalid(`"${url}" names no store: use an absolute path, file:///path, or s3://bucket/prefix.`);
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
