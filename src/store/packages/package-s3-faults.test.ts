/** What an S3 service does wrong while packages are read, verified, copied and swept: it ends well, or with one sentence and a stable code. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { hastyEnv } from '../../../test/support/hasty-env.ts';
import { memoryOf, packagesEnv, readEverything, tinyContents } from '../../../test/support/packages.ts';
import { openS3, s3Env } from '../../../test/support/strict-s3/s3-fixture.ts';
import { StrictS3 } from '../../../test/support/strict-s3/strict-s3.ts';
import type { Fault } from '../../../test/support/strict-s3/faults.ts';
import { writePackage } from '../../../test/support/written-package.ts';
import type { WriterStore } from '../../../test/support/written-package.ts';
import { isKelpieError } from '../../base/errors.ts';
import { listAll } from '../objects/list-all.ts';
import { collectGarbage } from './collect.ts';
import { copyPackage } from './copy-package.ts';
import { packageKey } from './package-key.ts';
import { plainSealing } from './sealing.ts';
import { PackageVerifier } from './verify.ts';

const session = '00000000-0000-4000-8000-0000000000f1';
const goneSession = '00000000-0000-4000-8000-0000000000f2';
const scattered = { pagesPerFrame: 2, framesPerPack: 2 };
const env = hastyEnv(s3Env());

interface World {
  readonly server: StrictS3;
  readonly store: WriterStore;
  readonly id: string;
}

async function withPackage(act: (world: World) => Promise<void>): Promise<void> {
  const server = await StrictS3.start();
  try {
    const store = { objects: await openS3(server, env), sealing: plainSealing };
    const contents = { ...tinyContents, memory: memoryOf([1, 2, 3, 4, 5, 6]) };
    const id = await writePackage(packagesEnv, store, contents, { session, ...scattered });
    const gone = { ...contents, memory: memoryOf([1, 2, 3], 9) };
    const goneId = await writePackage(packagesEnv, store, gone, { session: goneSession, ...scattered });
    await store.objects.delete(packageKey(goneId));
    await act({ server, store, id });
  } finally {
    await server.close();
  }
}

/** What is done with a package, and that it was done right. */
const acts: ReadonlyMap<string, (world: World) => Promise<void>> = new Map([
  ['read', async ({ store, id }: World) => void (await readEverything(store, id))],
  [
    'verify',
    async ({ store, id }: World) => {
      const { problems } = await new PackageVerifier(packagesEnv, store).verify(id);
      assert.deepEqual(problems, []);
    },
  ],
  [
    'copy',
    async ({ store, id, server }: World) => {
      const target = await openS3(server, env);
      const under = { ...target, url: target.url };
      await copyPackage(
        { ...packagesEnv, clock: env.clock },
        store,
        { objects: under, sealing: plainSealing, hostName: 'here' },
        id,
      );
    },
  ],
  [
    'sweep',
    async ({ store }: World) => {
      const report = await collectGarbage({ ...packagesEnv, clock: env.clock }, store.objects, {
        graceMs: 0,
        hostName: 'here',
      });
      assert.ok(report.removedPacks > 0);
      for await (const { key } of listAll(store.objects, 'packs/')) assert.ok(!key.includes(goneSession));
    },
  ],
]);

const passing: readonly Fault[] = [
  { kind: 'refuse', status: 503, code: 'SlowDown' },
  { kind: 'lose-answer' },
  { kind: 'cut-body' },
  { kind: 'short-body' },
  { kind: 'error-in-200' },
  { kind: 'damage' },
];

/** Every third request is hit; of damage, which is mended once, one. */
const PERIOD = 3;
const HITS_MAX = 30;

for (const fault of passing) {
  const how = `${fault.kind}${'code' in fault ? ` ${fault.code}` : ''}`;
  for (const [what, act] of acts) {
    test(`a ${what} goes on after ${how}, again and again`, { timeout: 60_000 }, async () => {
      for (const phase of [0, 1]) {
        await withPackage(async (world) => {
          const length = fault.kind === 'damage' ? 1 : HITS_MAX;
          world.server.faults.rules = Array.from({ length }, (_, hit) => ({
            method: 'GET',
            path: /pack/,
            after: phase + hit * (PERIOD - 1),
            count: 1,
            fault,
          }));
          await act(world);
          assert.ok(world.server.faults.injected >= Math.min(length, 2));
        });
      }
    });
  }
}

const lasting: readonly Fault[] = [...passing, { kind: 'refuse', status: 403, code: 'ExpiredToken' }];

for (const fault of lasting) {
  test(
    `a service that is never right is told, and nothing is half done: ${fault.kind}`,
    { timeout: 60_000 },
    async () => {
      for (const [what, act] of acts) {
        await withPackage(async (world) => {
          const before = await Array.fromAsync(listAll(world.store.objects, 'packs/'));
          world.server.faults.rules = [{ method: 'GET', path: /pack/, after: 1, count: 10_000, fault }];
          await assert.rejects(act(world), (error) => {
            assert.ok(
              isKelpieError(error, 'store_unavailable', 'package_corrupt', 'permission_denied'),
              `${what}: ${String(error)}`,
            );
            assert.match(error.message, /^[^\n]{10,600}\.$/);
            return true;
          });
          world.server.faults.rules = [];
          const after = await Array.fromAsync(listAll(world.store.objects, 'packs/'));
          assert.deepEqual(
            after.map(({ key }) => key),
            before.map(({ key }) => key),
          );
          await readEverything(world.store, world.id);
        });
      }
    },
  );
}
