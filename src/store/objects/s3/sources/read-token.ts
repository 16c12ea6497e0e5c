import { fromUtf8 } from '../../../../base/bytes.ts';
import { isSystemError } from '../../../../env/system-error.ts';
import type { SourceEnv } from './ask.ts';
import { noKeys } from './temporary-keys.ts';

const TOKEN_BYTES_MAX = 64 * 1024;

/** A token on this host, without the line feed at its end. @throws StoreTrouble `no_credentials`. */
export async function readToken(files: SourceEnv['files'], path: string): Promise<string> {
  try {
    return fromUtf8(await files.readFile(path, TOKEN_BYTES_MAX)).trimEnd();
  } catch (error) {
    if (!isSystemError(error) && !(error instanceof TypeError)) throw error;
    throw noKeys(`cannot read ${path} (${error.message})`, error);
  }
}
