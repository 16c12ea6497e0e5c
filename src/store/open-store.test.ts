import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { SampleHost } from '../../test/support/sample-host.ts';
import { sampleMetadata } from '../../test/support/sample-package.ts';
import { encryptedDirectory } from '../../test/support/encrypted-directory.ts';
import { refusedAs, storeFixture } from '../../test/support/store-fixture.ts';
import { s3Env, s3Url } from '../../test/support/strict-s3/s3-fixture.ts';
import { StrictS3 } from '../../test/support/strict-s3/strict-s3.ts';
import { teleportStorageSuite } from '../../test/support/teleport-storage-suite.ts';
import { createNodeEnv } from '../env/node/env.ts';
import { changeStoreKeys, createEncryptedStore } from './keys/change-store-keys.ts';
import { createIdentityFile } from './keys/key-files.ts';
import { withRecipient } from './keys/store-keys.ts';
import { openStore } from './open-store.ts';

const env = createNodeEnv();
const host = { home: '/nonexistent', hostArchitecture: 'x86_64', hostName: 'host' } as const;

teleportStorageSuite('a directory', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'kelpie-store-'));
  return storeFixture(env, directory, async () => await rm(directory, { recursive: true }));
});

describe('an S3 service', () => {
  let server: StrictS3;
  let tests = 0;
  before(async () => {
    server = await StrictS3.start();
  });
  after(async () => await server.close());

  teleportStorageSuite('S3', async () => {
    tests += 1;
    return storeFixture(s3Env(), s3Url(server, `tests/${tests}`), async () => undefined);
  });
});

test('a store is named as the user wrote it, with what it takes to open it again', async () => {
  const server = await StrictS3.start();
  try {
    const url = s3Url(server, 'team', '&region=us-east-1');
    const { storage, objects } = await openStore(s3Env(), url, host);
    assert.equal(storage.url, url);
    assert.equal(objects.url, 's3://kelpie/team');
    assert.equal((await openStore(s3Env(), storage.url, host)).storage.url, url);
  } finally {
    await server.close();
  }
});

test('opening writes nothing; the first who needs its id makes it a store, for all', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'kelpie-store-'));
  try {
    const fixture = storeFixture(env, directory, async () => undefined);
    const stores = await Promise.all([1, 2, 3].map(async () => await fixture.open()));
    assert.deepEqual(await fixture.objects.names(), []);
    const ids = await Promise.all(stores.map(async (store) => await store.id()));
    assert.equal(new Set(ids).size, 1);
    assert.equal(await (await fixture.open()).id(), ids[0]);
  } finally {
    await rm(directory, { recursive: true });
  }
});

test('what is no store is refused: missing, of an unreleased version, newer, damaged', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'kelpie-store-'));
  try {
    await refusedAs(openStore(env, `${directory}/missing`, host), 'store_unavailable');
    await refusedAs(openStore(env, 'relative', host), 'invalid_argument');
    const root = async (text: string): Promise<string> => {
      const path = await mkdtemp(join(directory, 'store-'));
      await mkdir(path, { recursive: true });
      await writeFile(join(path, 'store.json'), text);
      return path;
    };
    await refusedAs(openStore(env, await root('{"formatVersion":1}'), host), 'store_unavailable');
    await refusedAs(openStore(env, await root('{"formatVersion":3}'), host), 'package_too_new');
    await refusedAs(openStore(env, await root('{'), host), 'package_corrupt');
  } finally {
    await rm(directory, { recursive: true });
  }
});

test('a host without the keys sees who runs a VM, but neither reads nor publishes', async () => {
  const { url, home, close } = await encryptedDirectory();
  const sample = await SampleHost.create();
  try {
    const { storage, ownership } = await openStore(env, url, host);
    assert.equal(storage.isEncrypted, true);
    assert.equal(await ownership.read(sampleMetadata.vmId), null);
    const names = await storeFixture(env, url, close).objects.names();
    await refusedAs(storage.upload(await sample.source()), 'permission_denied');
    await refusedAs(storage.download('0'.repeat(64)), 'package_not_found');
    assert.deepEqual(await storeFixture(env, url, close).objects.names(), names);
    const owner = await openStore(env, url, { ...host, home });
    const { id } = await owner.storage.upload(await sample.source());
    await refusedAs(storage.download(id), 'permission_denied');
    const guest = join(home, 'guest');
    const recipient = await createIdentityFile(env, guest);
    await changeStoreKeys(env, owner.objects, { home, url }, (keys) => withRecipient(keys, recipient));
    const admitted = await openStore(env, url, { ...host, home: guest });
    assert.equal((await admitted.storage.download(id)).package.isEncrypted, true);
  } finally {
    await sample.close();
    await close();
  }
});

test('a store that is made an encrypted one under the hands of a publisher gets nothing plain', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'kelpie-store-'));
  const sample = await SampleHost.create();
  try {
    const store = await openStore(env, directory, host);
    const home = join(directory, 'home');
    const recipient = await createIdentityFile(env, home);
    await createEncryptedStore(env, store.objects, { home, url: directory }, [recipient]);
    await refusedAs(store.storage.upload(await sample.source()), 'store_conflict');
    await refusedAs(store.id(), 'store_conflict');
  } finally {
    await sample.close();
    await rm(directory, { recursive: true });
  }
});
