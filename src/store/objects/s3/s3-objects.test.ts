import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { inspect } from 'node:util';
import { objectStoreSuite } from '../../../../test/support/object-store-suite.ts';
import { refusedAs } from '../../../../test/support/store-fixture.ts';
import {
  openBareS3,
  openS3,
  s3Env,
  s3Fixtures,
  s3Url,
} from '../../../../test/support/strict-s3/s3-fixture.ts';
import { StrictS3 } from '../../../../test/support/strict-s3/strict-s3.ts';
import { utf8 } from '../../../base/bytes.ts';
import type { Clock } from '../../../env/clock.ts';
import { checkStore } from '../check-store.ts';
import { openBareObjects } from '../open-objects.ts';
import { isStoreTrouble } from '../store-trouble.ts';
import type { TroubleKind } from '../store-trouble.ts';

describe('objects in S3', () => {
  let server: StrictS3;
  before(async () => {
    server = await StrictS3.start();
  });
  after(async () => await server.close());

  objectStoreSuite(
    'objects in strict S3',
    s3Fixtures(() => server),
  );
});

async function withServer(use: (server: StrictS3) => Promise<void>): Promise<void> {
  const server = await StrictS3.start();
  try {
    await use(server);
  } finally {
    await server.close();
  }
}

async function troubles(call: Promise<unknown>, kind: TroubleKind, words: RegExp): Promise<void> {
  await assert.rejects(call, (error) => {
    assert.ok(isStoreTrouble(error, kind), `${kind} was expected, not ${inspect(error)}`);
    assert.match(error.message, words);
    assert.match(error.message, /^[^\n]{10,400}\.$/, 'the message is a sentence');
    return true;
  });
}

test('a service that refuses for reasons that a person can mend is told in a sentence', async () => {
  for (const [status, code, kind, words] of [
    [404, 'NoSuchBucket', 'bucket_missing', /no bucket "kelpie"/],
    [403, 'RequestTimeTooSkewed', 'clock_skew', /set this host's clock/],
    [400, 'ExpiredToken', 'credentials_expired', /have expired/],
    [403, 'SignatureDoesNotMatch', 'credentials_refused', /does not accept the keys/],
    [403, 'AccessDenied', 'write_denied', /may not write/],
    [301, 'PermanentRedirect', 'wrong_region', /add \?region=/],
    [507, 'QuotaExceeded', 'full', /is full/],
    [501, 'NotImplemented', 'unsupported', /cannot do/],
    [400, 'Whatever', 'refused', /Whatever/],
  ] as const) {
    await withServer(async (server) => {
      server.faults.rules = [{ method: 'PUT', fault: { kind: 'refuse', status, code } }];
      await troubles((await openBareS3(server)).put('key', utf8('x')), kind, words);
    });
  }
});

test('a HEAD whose refusal has no document is explained', async () => {
  await withServer(async (server) => {
    const wrong = s3Env({ AWS_SECRET_ACCESS_KEY: 'wrong' });
    await troubles(
      (await openBareS3(server, wrong)).head('key'),
      'credentials_refused',
      /does not accept the keys/,
    );
    const nowhere = await openBareObjects(s3Env(), s3Url({ url: 's3://other', endpoint: server.endpoint }));
    await troubles(nowhere.head('key'), 'bucket_missing', /no bucket "other"/);
  });
});

test('a clock that is wrong is told', async () => {
  await withServer(async (server) => {
    const env = s3Env();
    const { clock } = env;
    const hourMs = 3_600_000;
    const ahead: Clock = {
      wallMs: () => clock.wallMs() + hourMs,
      wallNs: () => clock.wallNs() + BigInt(hourMs) * 1_000_000n,
      monotonicMs: () => clock.monotonicMs(),
      sleep: async (durationMs, signal) => await clock.sleep(durationMs, signal),
    };
    const late = { ...env, clock: ahead };
    await troubles((await openBareS3(server, late)).get('key'), 'clock_skew', /there it is .* GMT/);
  });
});

test('the region that the bucket is in is taken from the refusal, once', async () => {
  await withServer(async (server) => {
    server.region = 'eu-north-1';
    const store = await openBareS3(server);
    await store.put('key', utf8('x'));
    await store.put('key', utf8('y'));
    assert.equal(server.requests.length, 3);
  });
});

test('keys that expire are read again', async () => {
  await withServer(async (server) => {
    const variables: Record<string, string> = { AWS_SESSION_TOKEN: 'old' };
    const env = s3Env();
    const renewed = {
      ...env,
      host: { ...env.host, variable: (name: string) => variables[name] ?? env.host.variable(name) },
    };
    const store = await openBareS3(server, renewed);
    await store.put('key', utf8('x'));
    server.expiredTokens.add('old');
    await troubles(store.put('key', utf8('y')), 'credentials_expired', /sign in again/);
    variables['AWS_SESSION_TOKEN'] = 'new';
    await store.put('key', utf8('z'));
    assert.equal(server.lastHeaders['x-amz-security-token'], 'new');
  });
});

test('encryption, checksums and the quotes of ETags are as the URL says', async () => {
  await withServer(async (server) => {
    await (await openBareS3(server, s3Env(), '&encryption=AES256')).put('a', utf8('x'));
    assert.equal(server.lastHeaders['x-amz-server-side-encryption'], 'AES256');
    assert.equal(server.lastHeaders['x-amz-checksum-sha256']?.length, 44);
    const store = await openBareS3(server, s3Env(), '&encryption=aws:kms&kms-key=key/1&checksums=false');
    await store.startUpload('a', 8 * 2 ** 20);
    assert.equal(server.lastHeaders['x-amz-server-side-encryption'], 'aws:kms');
    assert.equal(server.lastHeaders['x-amz-server-side-encryption-aws-kms-key-id'], 'key/1');
    server.bucket.wantsQuotes = true;
    const quoted = await openBareS3(server, s3Env(), '&quoted-etags=true');
    const etag = await quoted.put('b', utf8('x'));
    assert.equal((await quoted.putIfMatch('b', etag, utf8('y'))).result, 'written');
  });
});

test("other people's objects beside ours are passed over", async () => {
  await withServer(async (server) => {
    const store = await openBareS3(server);
    await store.put('b', utf8('x'));
    const [kept] = server.bucket.objects.values();
    assert.ok(kept !== undefined);
    for (const key of ['A', 'B &<>"é', 'a b', 'z/']) server.bucket.objects.set(key, kept);
    const page = await store.list({ prefix: '', limit: 1 });
    assert.deepEqual(
      page.objects.map(({ key }) => key),
      ['b'],
    );
    assert.deepEqual(await store.list({ prefix: '', after: 'b', limit: 1 }), { objects: [], next: null });
  });
});

test('no secret is in a URL, in an error or in what is shown of a store', async () => {
  await withServer(async (server) => {
    const secret = 'Secr3tSecr3tSecr3t';
    const env = s3Env({ AWS_SECRET_ACCESS_KEY: secret, AWS_SESSION_TOKEN: `${secret}-token` });
    const store = await openS3(server, env);
    const bare = await openBareS3(server, env);
    const failures = await Promise.allSettled([
      store.get('key'),
      store.put('key', utf8('x')),
      bare.head('key'),
    ]);
    const shown = inspect([store, bare, failures], { depth: 20, showHidden: true });
    assert.match(shown, /credentials_refused/);
    assert.doesNotMatch(shown, new RegExp(secret));
    for (const url of [
      `s3://id:${secret}@bucket/x`,
      `s3://bucket/x?secret=${secret}`,
      `s3://bucket?endpoint=https://id:${secret}@host`,
    ])
      await assert.rejects(openBareObjects(env, url), (error) => !inspect(error).includes(secret));
  });
});

test('the doctor finds a service that ignores conditions, or does not answer as it should', async () => {
  await withServer(async (server) => {
    const store = await openBareS3(server);
    const problems = async (): Promise<string[]> =>
      (await checkStore(s3Env(), store)).flatMap(({ level, check }) => (level === 'ok' ? [] : [check]));
    assert.deepEqual(await problems(), []);
    assert.equal(server.bucket.objects.size, 0, 'it cleans up');
    server.bucket.ignoresConditions = true;
    assert.deepEqual(await problems(), ['store.put-if-absent', 'store.put-if-match', 'store.race']);
    server.bucket.ignoresConditions = false;
    server.bucket.wantsQuotes = true;
    assert.deepEqual(await problems(), ['store.put-if-match', 'store.race']);
  });
});

test('a store without keys says how to give them', async () => {
  await withServer(async (server) => {
    const env = s3Env({ AWS_ACCESS_KEY_ID: '' });
    await troubles((await openBareS3(server, env)).get('key'), 'no_credentials', /AWS_ACCESS_KEY_ID/);
    await refusedAs((await openS3(server, env)).put('key', utf8('x')), 'permission_denied');
  });
});
