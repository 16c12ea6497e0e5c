/** Teleports of fake VMs through an S3 service that fails on order: what is wrong is told by a code and a sentence, the VM runs on, and the next try succeeds. */
import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { isKelpieError } from '../src/base/errors.ts';
import { routes } from '../src/daemon/api/routes.ts';
import { withFakeHosts } from './support/fake-daemon.ts';
import { hastyEnv } from './support/hasty-env.ts';
import { s3Env, s3Url } from './support/strict-s3/s3-fixture.ts';
import { StrictS3 } from './support/strict-s3/strict-s3.ts';
import type { ErrorCode } from '../src/base/error-codes.ts';
import type { Env } from '../src/env/env.ts';
import type { FakeDaemon } from './support/fake-daemon.ts';
import type { Fault } from './support/strict-s3/faults.ts';

const TIMEOUT_MS = 200_000;
const dev = { parameters: { vm: 'dev' } };
/** So many requests of a teleport are let through first: half of it is done. */
const HALF_WAY = 3;

/** A session's keys, and no pauses between tries. */
function sessionEnv(variables: Readonly<Record<string, string>> = {}): Env {
  return hastyEnv(s3Env({ AWS_SESSION_TOKEN: 'session', ...variables }));
}

async function withServer(act: (server: StrictS3) => Promise<void>): Promise<void> {
  const server = await StrictS3.start();
  try {
    await act(server);
  } finally {
    await server.close();
  }
}

async function teleport({ operate }: FakeDaemon, storeUrl: string): Promise<void> {
  await operate(routes.teleport, { ...dev, body: { storeUrl, message: '', includeImage: true } });
}

/** It fails so, and the VM runs on, free for the next command. */
async function failsAs(
  daemon: FakeDaemon,
  storeUrl: string,
  code: ErrorCode,
  sentence: RegExp,
): Promise<void> {
  await assert.rejects(teleport(daemon, storeUrl), (error) => {
    assert.ok(isKelpieError(error, code), `${code} was expected, not ${String(error)}`);
    assert.match(error.message, sentence);
    assert.match(error.message, /\.$/);
    return true;
  });
  const { state, busy } = await daemon.view();
  assert.deepEqual([state, busy], ['running', null]);
}

test(
  'a VM goes to a host that has not its image, and back, through S3',
  { timeout: TIMEOUT_MS },
  async () => {
    await withServer(async (server) => {
      await withFakeHosts(async (start, hosts) => {
        const a = await start('a', {}, sessionEnv());
        const b = await start('b', {}, sessionEnv());
        const storeUrl = s3Url(server, 'team');
        const { id } = await a.up();
        await teleport(a, storeUrl);
        assert.equal(hosts.machines.ofVm(id).length, 0);
        const there = await b.operate(routes.restoreFromStore, { body: { storeUrl, vm: 'dev' } });
        assert.ok(there.downloadedBytes > 0);
        await teleport(b, storeUrl);
        const back = await a.operate(routes.restoreFromStore, { body: { storeUrl, vm: 'dev' } });
        assert.equal(back.vm.state, 'running');
        assert.equal(hosts.machines.ofVm(id).length, 1);
      });
    });
  },
);

const troubles: readonly (readonly [string, Fault, ErrorCode, RegExp])[] = [
  [
    'keys that expire',
    { kind: 'refuse', status: 400, code: 'ExpiredToken' },
    'permission_denied',
    /have expired/,
  ],
  [
    'clocks that differ',
    { kind: 'refuse', status: 403, code: 'RequestTimeTooSkewed' },
    'store_unavailable',
    /clock/,
  ],
  ['a quota', { kind: 'refuse', status: 403, code: 'QuotaExceeded' }, 'disk_full', /full/],
  [
    'keys that may not write',
    { kind: 'refuse', status: 403, code: 'AccessDenied' },
    'store_not_writable',
    /PutObject/,
  ],
  [
    'a service that is down',
    { kind: 'refuse', status: 503, code: 'ServiceUnavailable' },
    'store_unavailable',
    /does not answer|try again/,
  ],
];
for (const [what, fault, code, sentence] of troubles) {
  test(
    `${what} half-way: told, the VM runs on, and the next try succeeds`,
    { timeout: TIMEOUT_MS },
    async () => {
      await withServer(async (server) => {
        await withFakeHosts(async (start) => {
          const daemon = await start('a', {}, sessionEnv());
          await daemon.up();
          const storeUrl = s3Url(server);
          for (const after of [0, HALF_WAY]) {
            server.faults.rules = [{ method: 'PUT', after, count: Infinity, fault }];
            await failsAs(daemon, storeUrl, code, sentence);
          }
          assert.ok(server.faults.injected >= 2);
          const { packages } = await daemon.client.call(routes.packageList, { query: { storeUrl } });
          assert.deepEqual(packages, [], 'nothing half-done is visible');
          server.faults.rules = [];
          await teleport(daemon, storeUrl);
        });
      });
    },
  );
}

test('what arrived of a teleport that failed is not sent again', { timeout: TIMEOUT_MS }, async () => {
  await withServer(async (server) => {
    await withFakeHosts(async (start, hosts) => {
      const daemon = await start('a', {}, sessionEnv());
      await daemon.up();
      const storeUrl = s3Url(server);
      const refused: Fault = { kind: 'refuse', status: 403, code: 'AccessDenied' };
      const isManifest = /\/packages\//;
      server.faults.rules = [{ method: 'PUT', path: isManifest, count: Infinity, fault: refused }];
      await failsAs(daemon, storeUrl, 'store_not_writable', /PutObject/);
      const { snapshots } = await daemon.client.call(routes.snapshotLog, dev);
      assert.deepEqual(snapshots, [], 'nobody asked for it');
      server.faults.rules = [];
      await teleport(daemon, storeUrl);
      const { packages } = await daemon.client.call(routes.packageList, { query: { storeUrl } });
      assert.ok((packages[0]?.sizes?.sharedBytes ?? 0) > 0, JSON.stringify(packages[0]?.sizes));
      const kept = await readdir(join(hosts.home('a'), 'vms'), { recursive: true });
      assert.ok(!kept.some((path) => path.includes('/aside')), 'it is kept no longer than it is of use');
    });
  });
});

test('a place that is none is told before the VM is touched', { timeout: TIMEOUT_MS }, async () => {
  await withServer(async (server) => {
    await withFakeHosts(async (start) => {
      const acts: string[] = [];
      const daemon = await start('a', { onAct: async (act) => void acts.push(act) }, sessionEnv());
      await daemon.up();
      acts.length = 0;
      const missing = s3Url({ endpoint: server.endpoint, url: 's3://missing' });
      await failsAs(daemon, missing, 'store_unavailable', /no bucket "missing"/);
      const nobody = s3Url({ url: server.url, endpoint: 'http://127.0.0.1:1' });
      await failsAs(daemon, nobody, 'store_unavailable', /127\.0\.0\.1:1/);
      await failsAs(daemon, 's3://kelpie/team?colour=red', 'invalid_argument', /\?/);
      await failsAs(daemon, 's3://', 'invalid_argument', /bucket/);
      const stranger = await start('b', {}, sessionEnv({ AWS_SECRET_ACCESS_KEY: 'wrong' }));
      await stranger.up();
      await failsAs(stranger, s3Url(server), 'permission_denied', /does not accept the keys/);
      assert.deepEqual(acts, []);
    });
  });
});

test('keys are written nowhere', { timeout: TIMEOUT_MS }, async () => {
  const secret = 'a-secret-that-nobody-may-see';
  await withServer(async (server) => {
    await withFakeHosts(async (start, hosts) => {
      const daemon = await start(
        'a',
        {},
        sessionEnv({ AWS_SECRET_ACCESS_KEY: secret, AWS_SESSION_TOKEN: secret }),
      );
      await daemon.up();
      await failsAs(daemon, s3Url(server), 'permission_denied', /keys/);
      await daemon.client.call(routes.doctor, { query: { storeUrl: s3Url(server) } });
      const entries = await readdir(hosts.home('a'), { recursive: true, withFileTypes: true });
      const files = entries
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name));
      assert.ok(files.some((path) => path.endsWith('kelpied.log')));
      for (const path of files.filter((one) => /\.(?:json|log)$/.test(one)))
        assert.ok(!(await readFile(path, 'utf8')).includes(secret), path);
    });
  });
});
