/** What an S3 service does wrong while a package is published: it is published, or one sentence says why not and the next try goes on. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { hastyEnv } from '../../../test/support/hasty-env.ts';
import { PublishWorld, bytesOf } from '../../../test/support/publish-world.ts';
import type { PageContents, PublishRequest } from '../../../test/support/publish-world.ts';
import { quickCompute } from '../../../test/support/quick-compute.ts';
import { patternBytes, sha256 } from '../../../test/support/sample-package.ts';
import type { Fault } from '../../../test/support/strict-s3/faults.ts';
import { openS3, s3Env } from '../../../test/support/strict-s3/s3-fixture.ts';
import { StrictS3 } from '../../../test/support/strict-s3/strict-s3.ts';
import { isKelpieError } from '../../base/errors.ts';
import { MIB, PAGE_BYTES } from '../../base/units.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import { passOn } from '../objects/wrappers/wrap-objects.ts';
import { listAll } from '../objects/list-all.ts';
import { collectGarbage } from './collect.ts';

const PAGES = MIB / PAGE_BYTES;
const contents: PageContents = Array.from({ length: PAGES }, (_, page) => page + 1);
const after = contents.map((content, page) => (page < 20 ? content + 9000 : content));
const rootfs = patternBytes(3000, 3);

interface Begun {
  readonly server: StrictS3;
  readonly world: PublishWorld;
  readonly objects: ObjectStore;
  readonly request: PublishRequest;
}

/** One package is published; the request is for the next. */
async function afterFirst(act: (begun: Begun) => Promise<void>): Promise<void> {
  const server = await StrictS3.start();
  try {
    const objects = await openS3(server, hastyEnv(s3Env()));
    const world = await PublishWorld.create({ compute: quickCompute() }, objects);
    try {
      const before = await world.mappable(contents);
      await world.publish({ memory: before });
      const memory = await world.overlay(
        before,
        after,
        new Set(Array.from({ length: 20 }, (_, page) => page)),
      );
      const imageFiles = [{ name: 'rootfs', sha256: sha256(rootfs), ...bytesOf(rootfs) }];
      await act({ server, world, objects, request: { memory, imageFiles } });
    } finally {
      await world.close();
    }
  } finally {
    await server.close();
  }
}

const passing: readonly Fault[] = [
  { kind: 'refuse', status: 503, code: 'SlowDown' },
  { kind: 'refuse-after', status: 500, code: 'InternalError' },
  { kind: 'lose-answer' },
  { kind: 'late-copy', afterRequests: 2 },
  { kind: 'cut-body' },
  { kind: 'error-in-200' },
];

for (const fault of passing) {
  test(`a publish goes on after ${fault.kind}, at every second request`, { timeout: 60_000 }, async () => {
    for (const phase of [0, 1]) {
      await afterFirst(async ({ server, world, objects, request }) => {
        server.faults.rules = ['GET', 'PUT', 'DELETE'].flatMap((method) =>
          Array.from({ length: 10 }, (_, hit) => ({ method, after: phase + 2 * hit, fault })),
        );
        const { id } = await world.publish(request);
        assert.ok(server.faults.injected >= 3, `${server.faults.injected} faults`);
        server.faults.rules = [];
        await world.expect(id, after);
        assert.deepEqual(await Array.fromAsync(listAll(objects, 'pins/')), []);
      });
    }
  });
}

test('keys that expire in the middle of a publish, and of a restore, are renewed, and it goes on', async () => {
  const server = await StrictS3.start();
  try {
    const variables: Record<string, string> = { AWS_SESSION_TOKEN: 'first' };
    const env = s3Env();
    const host = { ...env.host, variable: (name: string) => variables[name] ?? env.host.variable(name) };
    /** New keys lie ready from then on, and the old ones are refused. */
    const expire = (old: string, next: string): void => {
      variables['AWS_SESSION_TOKEN'] = next;
      server.expiredTokens.add(old);
    };
    const inner = await openS3(server, { ...env, host });
    let puts = 0;
    const objects: ObjectStore = {
      ...passOn(inner),
      putIfAbsent: async (key, bytes, options) => {
        puts += 1;
        if (puts === 1) expire('first', 'second');
        return await inner.putIfAbsent(key, bytes, options);
      },
      get: async (key, options) => {
        if (key.startsWith('packs/')) expire('second', 'third');
        return await inner.get(key, options);
      },
    };
    const world = await PublishWorld.create({ compute: quickCompute() }, objects);
    try {
      const { id } = await world.publish({ memory: await world.mappable(contents) });
      assert.equal(server.lastHeaders['x-amz-security-token'], 'second');
      await world.expect(id, contents);
      assert.equal(server.lastHeaders['x-amz-security-token'], 'third');
    } finally {
      await world.close();
    }
  } finally {
    await server.close();
  }
});

test('a listing that lags costs bytes, never a pack that a package needs', async () => {
  await afterFirst(async ({ server, world, objects, request }) => {
    const lags = { method: 'GET', path: /list-type/, count: 10_000, fault: { kind: 'stale-list' } } as const;
    server.faults.rules = [lags];
    const { id } = await world.publish(request);
    const { removedPacks } = await collectGarbage(hastyEnv(s3Env()), objects, { hostName: 'sweeper' });
    assert.ok(server.faults.injected > 0);
    assert.equal(removedPacks, 0, 'what is young stays, whatever is listed');
    server.faults.rules = [];
    await world.expect(id, after);
  });
});

function expectSentence(error: unknown): void {
  const codes = ['store_unavailable', 'store_not_writable', 'permission_denied', 'disk_full'] as const;
  assert.ok(isKelpieError(error, ...codes), String(error));
  assert.match(error.message, /^[^\n]{10,600}\.$/);
}

const lasting: readonly Fault[] = [
  { kind: 'refuse', status: 503, code: 'SlowDown' },
  { kind: 'refuse', status: 403, code: 'AccessDenied' },
  { kind: 'refuse', status: 403, code: 'ExpiredToken' },
  { kind: 'refuse', status: 403, code: 'RequestTimeTooSkewed' },
  { kind: 'refuse', status: 404, code: 'NoSuchBucket' },
  { kind: 'refuse', status: 507, code: 'InsufficientStorage' },
  { kind: 'lose-answer' },
  { kind: 'error-in-200' },
];

for (const fault of lasting) {
  const how = 'code' in fault ? fault.code : fault.kind;
  test(
    `a publish that meets ${how} for ever tells it, and the next one goes on`,
    { timeout: 60_000 },
    async () => {
      for (const path of [/pins/, /packs/, /packages/]) {
        await afterFirst(async ({ server, world, objects, request }) => {
          const before = await Array.fromAsync(listAll(objects, 'packages/'));
          server.faults.rules = [{ method: 'PUT', path, count: 10_000, fault }];
          const [outcome] = await Promise.allSettled([world.publish(request)]);
          server.faults.rules = [];
          // What was done though the answer was lost is found out by looking.
          const mayBeDone = fault.kind === 'lose-answer' || fault.kind === 'error-in-200';
          if (outcome.status === 'rejected') expectSentence(outcome.reason);
          else assert.ok(mayBeDone, 'it cannot have been published');
          const seen = await Array.fromAsync(listAll(objects, 'packages/'));
          if (!mayBeDone) assert.deepEqual(seen, before);
          const { id } = await world.publish(request);
          await world.expect(id, after);
        });
      }
    },
  );
}
