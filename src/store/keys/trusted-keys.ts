/**
 * Whom a host trusts: `KELPIE_HOME/keys/trusted.txt`, public keys, one a line, and what people want to say of it behind it. Without the file anybody
 * may publish; with an empty one nobody is trusted. People edit it too: their other lines are kept.
 */
import { utf8 } from '../../base/bytes.ts';
import { KelpieError } from '../../base/errors.ts';
import { parentDirectory, replaceDurably } from '../../env/durable-files.ts';
import type { Env } from '../../env/env.ts';
import { attemptLocally } from '../../snapshot/local-failure.ts';
import { readLines, readText, refusedFile } from './key-lines.ts';
import { KEY_FILE_BYTES_MAX, TRUSTED_KEYS_MAX } from './limits.ts';
import { requireSignaturePublicKey } from './public-keys.ts';
import { parsePublicKey } from './signatures.ts';

type FilesEnv = Pick<Env, 'files'>;

export interface TrustedKey {
  /** `ed25519:…` */
  readonly publicKey: string;
  /** One line; may be empty. */
  readonly note: string;
}

function pathIn(home: string): string {
  return `${home}/keys/trusted.txt`;
}

/** In the order of the file; null when there is no list. @param home absolute path of `KELPIE_HOME`. @throws KelpieError as `readIdentities`. */
export async function listTrusted(env: FilesEnv, home: string): Promise<readonly TrustedKey[] | null> {
  const path = pathIn(home);
  const lines = await readLines(env, path);
  if (lines === null) return null;
  if (lines.length > TRUSTED_KEYS_MAX) throw tooMany(path);
  return lines.map(({ number, text }) => {
    const publicKey = keyOf(text);
    if (parsePublicKey(publicKey) !== null) return { publicKey, note: text.slice(publicKey.length).trim() };
    throw refusedFile(
      path,
      `line ${number} does not begin with a public key (\`ed25519:\` and 64 hexadecimal digits)`,
    );
  });
}

/** Public keys of whom this host trusts; null when there is no list, and anybody may publish. @throws as `listTrusted`. */
export async function readTrusted(env: FilesEnv, home: string): Promise<ReadonlySet<string> | null> {
  const list = await listTrusted(env, home);
  return list === null ? null : new Set(list.map(({ publicKey }) => publicKey));
}

/**
 * Adds to the list, which is made when there is none; who is there stays as they are. One writer at a time.
 * @throws KelpieError `invalid_argument` for what is no public key, `limit_exceeded`, and as `listTrusted`.
 */
export async function trustKeys(env: FilesEnv, home: string, keys: readonly TrustedKey[]): Promise<void> {
  for (const { publicKey } of keys) requireSignaturePublicKey(publicKey);
  const listed = (await listTrusted(env, home)) ?? [];
  const added = keys.filter(({ publicKey }) => listed.every((one) => one.publicKey !== publicKey));
  if (added.length === 0) return;
  if (listed.length + added.length > TRUSTED_KEYS_MAX)
    throw new KelpieError('limit_exceeded', `a host trusts at most ${TRUSTED_KEYS_MAX} keys.`);
  const before = (await readText(env, pathIn(home))) ?? '';
  const end = before === '' || before.endsWith('\n') ? '' : '\n';
  const lines = added.map(({ publicKey, note }) => `${publicKey} ${note}`.trimEnd());
  await write(env, home, `${before}${end}${lines.join('\n')}\n`);
}

/** Takes a key off the list, which stays, even with nobody on it. One writer at a time. @throws KelpieError `not_found`, and as `trustKeys`. */
export async function distrustKey(env: FilesEnv, home: string, publicKey: string): Promise<void> {
  requireSignaturePublicKey(publicKey);
  const listed = (await listTrusted(env, home)) ?? [];
  if (listed.every((one) => one.publicKey !== publicKey))
    throw new KelpieError('not_found', `${publicKey} is not on this host's list of whom it trusts.`);
  const before = (await readText(env, pathIn(home))) ?? '';
  const kept = before.split('\n').filter((line) => keyOf(line.trim()) !== publicKey);
  await write(env, home, kept.join('\n'));
}

function keyOf(line: string): string {
  return line.split(/\s/, 1)[0] ?? '';
}

function tooMany(path: string): KelpieError {
  return refusedFile(path, `it has more than ${TRUSTED_KEYS_MAX} keys`);
}

async function write({ files }: FilesEnv, home: string, text: string): Promise<void> {
  const path = pathIn(home);
  const bytes = utf8(text);
  if (bytes.byteLength > KEY_FILE_BYTES_MAX)
    throw new KelpieError('limit_exceeded', `${path} would be longer than ${KEY_FILE_BYTES_MAX} bytes.`);
  await attemptLocally(`write ${path}`, async () => {
    await files.makeDirectory(parentDirectory(path));
    await replaceDurably(files, path, bytes);
  });
}
