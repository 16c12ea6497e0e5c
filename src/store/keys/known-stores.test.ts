import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { isKelpieError } from '../../base/errors.ts';
import type { ErrorCode } from '../../base/error-codes.ts';
import { createNodeEnv } from '../../env/node/env.ts';
import { sampleStoreKeys } from '../../../test/support/sample-keys.ts';
import { checkKnownStore } from './known-stores.ts';
import { rotated, withRecipient } from './store-keys.ts';
import type { StoreKeys } from './store-keys.ts';

const env = createNodeEnv();
const url = 's3://bucket/team';
let home = '';

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'kelpie-'));
});
afterEach(async () => {
  await rm(home, { recursive: true, force: true });
});

async function check(keys: StoreKeys | null, storeUrl = url): Promise<void> {
  await checkKnownStore(env, home, storeUrl, keys);
}

async function refused(code: ErrorCode, reason: RegExp, keys: StoreKeys | null): Promise<void> {
  await assert.rejects(check(keys), (error) => {
    assert.ok(isKelpieError(error, code), String(error));
    assert.match(error.message, reason);
    return true;
  });
}

test('keys that go on are known again, and their changes remembered', async () => {
  const keys = sampleStoreKeys();
  await check(keys);
  await check(keys);
  const newer = rotated(env, withRecipient(keys, 'age1other'));
  await check(newer);
  await check(newer);
  await refused('permission_denied', /an older list of recipients|other keys/, keys);
});

test('a store that was encrypted is not taken for a plain one, nor for one with other keys', async () => {
  const keys = sampleStoreKeys();
  await check(keys);
  await refused('permission_denied', /is not any more/, null);
  await refused('permission_denied', /other keys/, sampleStoreKeys());
  await refused('permission_denied', /other keys/, {
    ...rotated(env, keys),
    dataKeys: sampleStoreKeys().dataKeys,
  });
  await check(keys);
});

test('an older list of recipients is noticed', async () => {
  const keys = sampleStoreKeys();
  await check(withRecipient(keys, 'age1other'));
  await refused('permission_denied', /older list of recipients/, keys);
});

test('of plain stores nothing is remembered, and stores are kept apart', async () => {
  await check(null);
  assert.deepEqual(await readdir(home), []);
  await check(sampleStoreKeys());
  await check(sampleStoreKeys(), 's3://bucket/other');
  await check(null, 's3://bucket/third');
});

test('those who look at once do not disturb each other, and one of them remembers', async () => {
  const keys = sampleStoreKeys();
  await Promise.all(Array.from({ length: 8 }, () => check(keys)));
  await refused('permission_denied', /other keys/, sampleStoreKeys());
});

test('a damaged memory is told, and not written over', async () => {
  await check(sampleStoreKeys());
  const names = await readdir(join(home, 'keys/stores'));
  const name = names.find((other) => other.endsWith('.json')) ?? '';
  const path = join(home, 'keys/stores', name);
  await writeFile(path, '{');
  await refused('snapshot_corrupt', /not JSON/, sampleStoreKeys());
  assert.equal(await readFile(path, 'utf8'), '{');
});
