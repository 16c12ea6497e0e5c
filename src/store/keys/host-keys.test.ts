import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import type { ErrorCode } from '../../base/error-codes.ts';
import { isKelpieError } from '../../base/errors.ts';
import { createNodeEnv } from '../../env/node/env.ts';
import { createHostKeys, readHostKeys, trustSigner } from './host-keys.ts';
import { TRUSTED_KEYS_MAX } from './limits.ts';
import { requireRecipients } from './public-keys.ts';
import { createSigningKey } from './signatures.ts';
import { distrustKey, listTrusted, trustKeys } from './trusted-keys.ts';

const env = createNodeEnv({ variables: {} });
const ada = createSigningKey(env).publicKey;
const bob = createSigningKey(env).publicKey;
let home = '';

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'kelpie-'));
});
afterEach(async () => {
  await rm(home, { recursive: true });
});

/** @returns the sentence. */
async function refused(code: ErrorCode, act: Promise<unknown>): Promise<string> {
  let sentence = '';
  await assert.rejects(act, (error) => {
    assert.ok(isKelpieError(error, code), `${code} was expected, not ${String(error)}`);
    sentence = error.message;
    return true;
  });
  return sentence;
}

test('a host gets what it lacks, and nothing is written over', async () => {
  const first = await createHostKeys(env, home, false);
  assert.equal(first.signingKey, null);
  assert.equal(first.recipients.length, 1);
  assert.match(await refused('name_taken', createHostKeys(env, home, false)), /nothing was changed/);
  const second = await createHostKeys(env, home, true);
  assert.deepEqual(second.recipients, first.recipients);
  assert.match(second.signingKey ?? '', /^ed25519:[0-9a-f]{64}$/);
  await refused('name_taken', createHostKeys(env, home, true));
  assert.deepEqual(await readHostKeys(env, home), { ...second, trusted: null });
  assert.deepEqual((await readdir(join(home, 'keys'))).toSorted(), ['identities.txt', 'signing.key']);
});

test('no identity is made where it would not be read', async () => {
  const named = join(home, 'mine.txt');
  await writeFile(named, '# none yet\n', { mode: 0o600 });
  const elsewhere = createNodeEnv({ variables: { KELPIE_AGE_IDENTITY_FILE: named } });
  await refused('invalid_state', createHostKeys(elsewhere, home, false));
  assert.deepEqual(await readdir(home), ['mine.txt']);
});

test('a new list begins with the key of its host, and a key that comes later is put on it', async () => {
  const { signingKey } = await createHostKeys(env, home, true);
  const { trusted } = await trustSigner(env, home, { publicKey: ada, note: 'Ada' });
  assert.deepEqual(trusted, [
    { publicKey: signingKey, note: 'this host' },
    { publicKey: ada, note: 'Ada' },
  ]);
  const other = join(home, 'other');
  await trustSigner(env, other, { publicKey: bob, note: '' });
  const later = await createHostKeys(env, other, true);
  assert.deepEqual(later.trusted, [
    { publicKey: bob, note: '' },
    { publicKey: later.signingKey, note: 'this host' },
  ]);
});

test('what people wrote into the list is kept, and a list that has become empty stays', async () => {
  const path = join(home, 'keys/trusted.txt');
  await mkdir(join(home, 'keys'));
  await writeFile(path, `# the team\n${ada}\tAda, laptop`);
  await trustKeys(env, home, [
    { publicKey: bob, note: 'Bob' },
    { publicKey: ada, note: 'again' },
  ]);
  assert.equal(await readFile(path, 'utf8'), `# the team\n${ada}\tAda, laptop\n${bob} Bob\n`);
  await distrustKey(env, home, ada);
  assert.equal(await readFile(path, 'utf8'), `# the team\n${bob} Bob\n`);
  await refused('not_found', distrustKey(env, home, ada));
  await distrustKey(env, home, bob);
  assert.deepEqual(await listTrusted(env, home), []);
});

test('a list has no more keys than are read', async () => {
  const keys = Array.from({ length: TRUSTED_KEYS_MAX }, () => ({
    publicKey: createSigningKey(env).publicKey,
    note: '',
  }));
  await trustKeys(env, home, keys);
  await refused('limit_exceeded', trustKeys(env, home, [{ publicKey: ada, note: '' }]));
  assert.equal((await listTrusted(env, home))?.length, TRUSTED_KEYS_MAX);
});

test('a secret that is given for a public key is refused and never repeated', async () => {
  const identity = await env.age.createIdentity();
  const secrets = [identity, identity.toLowerCase(), `ed25519-private:${'ab'.repeat(32)}`];
  for (const secret of secrets) {
    const told = [
      await refused('invalid_argument', requireRecipients(env, [secret])),
      await refused('invalid_argument', trustKeys(env, home, [{ publicKey: secret, note: '' }])),
      await refused('invalid_argument', distrustKey(env, home, secret)),
    ];
    for (const sentence of told) {
      assert.match(sentence, /private key/);
      assert.ok(!sentence.includes(secret.slice(-20)), sentence);
    }
  }
  assert.deepEqual(await readdir(home), []);
});

test('what is no public key is refused, and what was meant is told', async () => {
  const recipient = await env.age.recipientOf(await env.age.createIdentity());
  const mistyped = `${recipient.slice(0, -1)}${recipient.endsWith('q') ? 'p' : 'q'}`;
  await requireRecipients(env, [recipient]);
  assert.match(await refused('invalid_argument', requireRecipients(env, [mistyped])), /typed wrongly/);
  assert.match(await refused('invalid_argument', requireRecipients(env, [ada])), /signatures/);
  for (const text of ['', 'ssh-ed25519 AAAA', 'ab'.repeat(32), `${recipient}\n`])
    await refused('invalid_argument', requireRecipients(env, [text]));
  const trust = (publicKey: string): Promise<void> => trustKeys(env, home, [{ publicKey, note: '' }]);
  assert.match(await refused('invalid_argument', trust(recipient)), /who can read/);
  for (const text of ['', 'ab'.repeat(32), ada.toUpperCase(), `${ada}\n`])
    await refused('invalid_argument', trust(text));
});
