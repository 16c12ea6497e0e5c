import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { isKelpieError } from '../../base/errors.ts';
import type { ErrorCode } from '../../base/error-codes.ts';
import { createNodeEnv } from '../../env/node/env.ts';
import { createKeyHolder } from '../../../test/support/sample-keys.ts';
import { createIdentityFile, createSigningKeyFile, readIdentities, readSigningKey } from './key-files.ts';
import { IDENTITIES_MAX, KEY_FILE_BYTES_MAX, TRUSTED_KEYS_MAX } from './limits.ts';
import { readTrusted } from './trusted-keys.ts';
import { createSigningKey } from './signatures.ts';

const env = createNodeEnv({ variables: {} });
let home = '';

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'kelpie-'));
});
afterEach(async () => {
  await rm(home, { recursive: true, force: true });
});

async function put(name: string, contents: string | Uint8Array, mode = 0o600): Promise<string> {
  await mkdir(join(home, 'keys'), { recursive: true });
  const path = join(home, 'keys', name);
  await writeFile(path, contents, { mode });
  await chmod(path, mode);
  return path;
}

async function refused(code: ErrorCode, reason: RegExp, act: Promise<unknown>): Promise<void> {
  await assert.rejects(act, (error) => {
    assert.ok(isKelpieError(error, code), String(error));
    assert.match(error.message, reason);
    assert.ok(!error.message.includes('AGE-SECRET-KEY-1Q') && !/private:[0-9a-f]/.test(error.message));
    return true;
  });
}

test('a host without files has no keys and no list', async () => {
  assert.deepEqual(await readIdentities(env, home), []);
  assert.equal(await readSigningKey(env, home), null);
  assert.equal(await readTrusted(env, home), null);
});

test('an identity is made once, for its owner only, and read back', async () => {
  const recipient = await createIdentityFile(env, home);
  const [identity = ''] = await readIdentities(env, home);
  assert.equal(await env.age.recipientOf(identity), recipient);
  const path = join(home, 'keys/identities.txt');
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  const before = await readFile(path, 'utf8');
  assert.ok(before.startsWith(`# public key: ${recipient}\n`));
  await refused('name_taken', /nothing was changed/, createIdentityFile(env, home));
  assert.equal(await readFile(path, 'utf8'), before);
});

test('a signing key is made once, for its owner only, and read back', async () => {
  const key = await createSigningKeyFile(env, home);
  assert.deepEqual(await readSigningKey(env, home), key);
  assert.equal((await stat(join(home, 'keys/signing.key'))).mode & 0o777, 0o600);
  await refused('name_taken', /nothing was changed/, createSigningKeyFile(env, home));
  assert.deepEqual(await readSigningKey(env, home), key);
});

test('identities are read as age-keygen writes them', async () => {
  const [one, two] = [await createKeyHolder(env), await createKeyHolder(env)];
  const text = `# created: 2026-01-02T03:04:05Z\n# public key: ${one.recipient}\n${one.identity}\r\n\n  ${two.identity}`;
  const path = await put('identities.txt', text);
  assert.deepEqual(await readIdentities(env, home), [one.identity, two.identity]);
  const elsewhere = createNodeEnv({ variables: { KELPIE_AGE_IDENTITY_FILE: path } });
  assert.deepEqual(await readIdentities(elsewhere, '/nowhere'), [one.identity, two.identity]);
});

test('bad files of identities are refused, each in one sentence', async () => {
  const { identity } = await createKeyHolder(env);
  const read = (): Promise<unknown> => readIdentities(env, home);
  await put('identities.txt', `${identity}\n`, 0o644);
  await refused('permission_denied', /chmod 600/, read());
  await put('identities.txt', `# mine\n${identity}\n${identity.slice(0, -1)}\n`);
  await refused('invalid_argument', /line 3 is not a private key/, read());
  await put('identities.txt', '-----BEGIN AGE ENCRYPTED FILE-----\nabc\n');
  await refused('invalid_argument', /encrypted itself/, read());
  await put('identities.txt', Uint8Array.of(0xff, 0xfe));
  await refused('invalid_argument', /not text/, read());
  await put('identities.txt', `${identity}\n`.repeat(IDENTITIES_MAX + 1));
  await refused('invalid_argument', /more than 64/, read());
  await put('identities.txt', '#'.repeat(KEY_FILE_BYTES_MAX + 1));
  await refused('invalid_argument', /longer than/, read());
  const missing = createNodeEnv({ variables: { KELPIE_AGE_IDENTITY_FILE: join(home, 'none') } });
  await refused('file_not_found', /KELPIE_AGE_IDENTITY_FILE names/, readIdentities(missing, home));
});

test('bad signing keys are refused', async () => {
  const read = (): Promise<unknown> => readSigningKey(env, home);
  const line = `ed25519-private:${'ab'.repeat(32)}`;
  await put('signing.key', line, 0o640);
  await refused('permission_denied', /chmod 600/, read());
  for (const text of ['', line.slice(0, -1), `${line}\n${line}`, line.toUpperCase(), `x${line}`]) {
    await put('signing.key', text);
    await refused('invalid_argument', /signing.key cannot be used/, read());
  }
});

test('a list of whom to trust names keys, and may say whose they are', async () => {
  const [one, two] = [createSigningKey(env), createSigningKey(env)];
  await put('trusted.txt', `# the team\n${one.publicKey} Ada\n\n${two.publicKey}\tBob, laptop\n`, 0o644);
  assert.deepEqual(await readTrusted(env, home), new Set([one.publicKey, two.publicKey]));
  // A list of nobody is not the same as no list.
  await put('trusted.txt', '# nobody\n');
  assert.deepEqual(await readTrusted(env, home), new Set());
  await put('trusted.txt', `${one.publicKey}\nAda ${two.publicKey}\n`);
  await refused('invalid_argument', /line 2 does not begin with a public key/, readTrusted(env, home));
  await put('trusted.txt', `${one.publicKey}\n`.repeat(TRUSTED_KEYS_MAX + 1));
  await refused('invalid_argument', /more than 256/, readTrusted(env, home));
});

test('a directory in the place of a file is told', async () => {
  await mkdir(join(home, 'keys/trusted.txt'), { recursive: true });
  await refused('io_failed', /cannot read/, readTrusted(env, home));
});
