/**
 * A host's own keys, in files that people can read and copy:
 *
 *     KELPIE_HOME/keys/identities.txt   private keys of age, as age-keygen writes them; KELPIE_AGE_IDENTITY_FILE names another file
 *     KELPIE_HOME/keys/signing.key      the private key that this host signs with
 *     KELPIE_HOME/keys/trusted.txt      whom it trusts: trusted-keys.ts
 *
 * Lines that are empty or begin with `#` mean nothing. Files with private keys must be for their owner's eyes only.
 */
import { fromHex, hex } from '../../base/bytes.ts';
import { KelpieError } from '../../base/errors.ts';
import { AgeRefused } from '../../env/age.ts';
import type { Env } from '../../env/env.ts';
import { createKeyFile, readPrivateLines, refusedFile } from './key-lines.ts';
import { IDENTITIES_MAX } from './limits.ts';
import { createSigningKey, signingKeyOf } from './signatures.ts';
import type { SigningKey } from './signatures.ts';

const IDENTITY_FILE_VARIABLE = 'KELPIE_AGE_IDENTITY_FILE';
const SIGNING_KEY = /^ed25519-private:(?<seed>[0-9a-f]{64})$/;
const ENCRYPTED_FILE = /^(?:age-encryption\.org\/|-----BEGIN AGE ENCRYPTED FILE-----)/;

function keysDirectory(home: string): string {
  return `${home}/keys`;
}

/**
 * This host's private keys of age; none when there is no file.
 * @param home absolute path of `KELPIE_HOME`.
 * @throws KelpieError `file_not_found` for a file that the variable names, `permission_denied` when others may read it, `invalid_argument` for what is no key, `io_failed`.
 */
export async function readIdentities(
  env: Pick<Env, 'age' | 'files' | 'host'>,
  home: string,
): Promise<readonly string[]> {
  const named = namedIdentityFile(env);
  const path = named === '' ? identitiesPath(home) : absolute(env, named);
  const lines = await readPrivateLines(env, path);
  if (lines === null) {
    if (named === '') return [];
    throw new KelpieError('file_not_found', `${IDENTITY_FILE_VARIABLE} names ${path}, which is not there.`);
  }
  if (ENCRYPTED_FILE.test(lines[0]?.text ?? ''))
    throw refusedFile(
      path,
      'it is encrypted itself: decrypt it with `age --decrypt` into a file that only you can read',
    );
  if (lines.length > IDENTITIES_MAX) throw refusedFile(path, `it has more than ${IDENTITIES_MAX} keys`);
  for (const { number, text } of lines) await checkIdentity(env, path, number, text);
  return lines.map(({ text }) => text);
}

function namedIdentityFile({ host }: Pick<Env, 'host'>): string {
  return host.variable(IDENTITY_FILE_VARIABLE) ?? '';
}

/** Whether the identities are in a file that the variable names, and not in `KELPIE_HOME`. */
export function hasNamedIdentityFile(env: Pick<Env, 'host'>): boolean {
  return namedIdentityFile(env) !== '';
}

function identitiesPath(home: string): string {
  return `${keysDirectory(home)}/identities.txt`;
}

function absolute({ host }: Pick<Env, 'host'>, path: string): string {
  return path.startsWith('/') ? path : `${host.currentDirectory}/${path}`;
}

async function checkIdentity(
  env: Pick<Env, 'age'>,
  path: string,
  number: number,
  text: string,
): Promise<void> {
  try {
    await env.age.recipientOf(text);
  } catch (error) {
    if (!(error instanceof AgeRefused)) throw error;
    throw refusedFile(path, `line ${number} is not a private key of age (\`AGE-SECRET-KEY-1…\`)`, error);
  }
}

/** The key that this host signs with; null when it has none. @throws KelpieError as `readIdentities`. */
export async function readSigningKey(
  env: Pick<Env, 'compute' | 'files'>,
  home: string,
): Promise<SigningKey | null> {
  const path = `${keysDirectory(home)}/signing.key`;
  const lines = await readPrivateLines(env, path);
  if (lines === null) return null;
  const seed = SIGNING_KEY.exec(lines[0]?.text ?? '')?.groups?.['seed'];
  if (seed === undefined || lines.length !== 1)
    throw refusedFile(path, 'it is not one line with `ed25519-private:` and 64 hexadecimal digits');
  return signingKeyOf(env.compute, fromHex(seed));
}

/** Makes this host's identity. @returns its public key. @throws KelpieError `name_taken` when there is one, `io_failed`, `disk_full`. */
export async function createIdentityFile(env: Pick<Env, 'age' | 'files'>, home: string): Promise<string> {
  const identity = await env.age.createIdentity();
  const recipient = await env.age.recipientOf(identity);
  await createKeyFile(env, identitiesPath(home), `# public key: ${recipient}\n${identity}\n`);
  return recipient;
}

/** Makes the key that this host signs with. @throws KelpieError as `createIdentityFile`. */
export async function createSigningKeyFile(
  env: Pick<Env, 'compute' | 'files' | 'random'>,
  home: string,
): Promise<SigningKey> {
  const key = createSigningKey(env);
  const text = `# public key: ${key.publicKey}\ned25519-private:${hex(key.seed)}\n`;
  await createKeyFile(env, `${keysDirectory(home)}/signing.key`, text);
  return key;
}
