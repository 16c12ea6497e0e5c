/** The contract of object stores, held by a real S3 service: Ceph. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { utf8 } from '../src/base/bytes.ts';
import { checkStore } from '../src/store/objects/check-store.ts';
import { startCeph } from './support/ceph.ts';
import { objectStoreSuite } from './support/object-store-suite.ts';
import { refusedAs } from './support/store-fixture.ts';
import { openBareS3, openS3, s3Env, s3Fixtures, s3Url } from './support/strict-s3/s3-fixture.ts';
import { openObjects } from '../src/store/objects/open-objects.ts';
import type { S3Server } from './support/strict-s3/s3-server.ts';

const START_TIMEOUT_MS = 300_000;

describe('a real S3 service', { timeout: 2 * START_TIMEOUT_MS }, () => {
  let server: S3Server;
  before(async () => {
    server = await startCeph();
  });
  after(async () => await server.close());

  objectStoreSuite(
    'objects in Ceph',
    s3Fixtures(() => server),
  );

  test('it keeps every promise that the doctor asks for', async () => {
    const findings = await checkStore(s3Env(), await openBareS3(server));
    assert.deepEqual(
      findings.filter(({ level }) => level !== 'ok'),
      [],
    );
  });

  test('wrong keys, and a bucket that is not there, are told', async () => {
    const store = await openS3(server, s3Env({ AWS_SECRET_ACCESS_KEY: 'wrong' }));
    await refusedAs(store.get('key'), 'permission_denied');
    await refusedAs(store.put('key', utf8('x')), 'permission_denied');
    const nowhere = await openObjects(s3Env(), s3Url({ ...server, url: 's3://no-such-bucket' }));
    await refusedAs(nowhere.get('key'), 'store_unavailable');
    await refusedAs(nowhere.head('key'), 'store_unavailable');
    await refusedAs(nowhere.putIfAbsent('key', utf8('x')), 'store_unavailable');
  });
});
