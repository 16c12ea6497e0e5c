/** The packages of a store through the daemon's API: checked, swept, pruned, copied. */
import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { isKelpieError } from '../src/base/errors.ts';
import { routes } from '../src/daemon/api/routes.ts';
import { openObjects } from '../src/store/objects/open-objects.ts';
import { ObjectOwnership } from '../src/store/records/object-ownership.ts';
import { plainSealing } from '../src/store/packages/sealing.ts';
import type { ErrorCode } from '../src/base/error-codes.ts';
import type { OwnershipState } from '../src/store/ownership-records.ts';
import { withFakeHosts } from './support/fake-daemon.ts';
import type { FakeDaemon } from './support/fake-daemon.ts';
import { sampleRecord } from './support/ownership-suite.ts';
import { memoryOf, packagesEnv, tinyContents } from './support/packages.ts';
import { sampleSession } from './support/sample-maps.ts';
import { sampleMetadata } from './support/sample-package.ts';
import { writePackage } from './support/written-package.ts';

interface World {
  readonly host: FakeDaemon;
  /** Directories. */
  readonly storeUrl: string;
  readonly otherUrl: string;
  /** Publishes a package of its own, made so many days after the first. */
  readonly publish: (day: number) => Promise<string>;
}

async function withStores(act: (world: World) => Promise<void>): Promise<void> {
  await withFakeHosts(async (start, hosts) => {
    const [storeUrl, otherUrl] = [join(hosts.home('stores'), 'one'), join(hosts.home('stores'), 'two')];
    for (const directory of [storeUrl, otherUrl]) await mkdir(directory, { recursive: true });
    const objects = await openObjects(packagesEnv, storeUrl);
    const publish = async (day: number): Promise<string> => {
      const contents = { ...tinyContents, memory: memoryOf([1, 2, 3], day) };
      return await writePackage(packagesEnv, { objects, sealing: plainSealing }, contents, {
        session: sampleSession(day),
        metadata: { createdAtUnixMs: sampleMetadata.createdAtUnixMs + day * 86_400_000 },
      });
    };
    await act({ host: await start('a'), storeUrl, otherUrl, publish });
  });
}

async function rejectsWith(code: ErrorCode, act: Promise<unknown>): Promise<void> {
  await assert.rejects(act, (error) => isKelpieError(error, code) && error.message.endsWith('.'));
}

test('packages are verified, all or some, and damage is told by its package', async () => {
  await withStores(async ({ host, storeUrl, publish }) => {
    const [first, second] = [await publish(1), await publish(2)];
    const verify = async (
      packages: readonly string[],
      isQuick = false,
    ): Promise<ReadonlyMap<string, number>> => {
      const { packages: verdicts } = await host.operate(routes.packageVerify, {
        body: { storeUrl, packages, isQuick },
      });
      return new Map(verdicts.map(({ id, problems }) => [id, problems.length]));
    };
    assert.deepEqual(
      new Set(await verify([])),
      new Set(
        [
          [first, 0],
          [second, 0],
        ].map(([id, count]) => [id, count]),
      ),
    );
    const pack = join(storeUrl, 'packs', sampleSession(1), '0');
    const bytes = await readFile(pack);
    bytes.writeUInt8(bytes.readUInt8(50) ^ 1, 50);
    await writeFile(pack, bytes);
    assert.equal((await verify([first.slice(0, 8)])).get(first), 1);
    assert.equal((await verify([first], true)).get(first), 0);
    assert.equal((await verify([second])).get(second), 0);
    await rejectsWith('package_not_found', verify(['ffffffff']));
    await rejectsWith('invalid_argument', verify(['../x']));
  });
});

test('a pruned package goes, its packs are swept, and what a VM is at rest in stays', async () => {
  await withStores(async ({ host, storeUrl, publish }) => {
    const ids = [await publish(1), await publish(2), await publish(3)];
    const [oldest = ''] = ids;
    const objects = await openObjects(packagesEnv, storeUrl);
    const record = sampleRecord(1, { state: 'at-rest', packageId: oldest, reclaimedFrom: null });
    await new ObjectOwnership(objects).compareAndSwap(0, record);
    const prune = { storeUrl, rule: { last: 1 } };
    const planned = await host.operate(routes.packagePrune, { body: { ...prune, isDryRun: true } });
    assert.deepEqual(
      planned.packages.map(({ id, keptBy }) => [id, keptBy.join()]),
      [
        [ids[2], 'last'],
        [ids[1], ''],
        [ids[0], 'at-rest'],
      ],
    );
    const listed = async (): Promise<number> =>
      (await host.client.call(routes.packageList, { query: { storeUrl } })).packages.length;
    assert.equal(await listed(), 3);
    const pruned = await host.operate(routes.packagePrune, { body: { ...prune, isDryRun: false } });
    assert.equal(await listed(), 2);
    const collect = async (isDryRun: boolean): Promise<number> =>
      (await host.operate(routes.packageCollect, { body: { storeUrl, graceMs: 0, isDryRun } })).removedBytes;
    assert.equal(await collect(true), pruned.freeableBytes);
    assert.equal(await collect(false), pruned.freeableBytes);
    assert.equal(await collect(false), 0);
    const verified = await host.operate(routes.packageVerify, {
      body: { storeUrl, packages: [], isQuick: false },
    });
    assert.ok(verified.packages.every(({ problems }) => problems.length === 0));
    await rejectsWith(
      'usage',
      host.operate(routes.packagePrune, { body: { storeUrl, rule: {}, isDryRun: false } }),
    );
  });
});

test('a package that a VM is at rest in, goes back to, or may come to rest in, is removed by force only', async () => {
  const held: readonly (readonly [(id: string) => OwnershipState, RegExp])[] = [
    [(packageId) => ({ state: 'at-rest', packageId, reclaimedFrom: null }), /at rest in this package/],
    [(packageId) => ({ state: 'running', owner: 'b', packageId, lease: null }), /goes back to this package/],
    [(packageId) => ({ state: 'departing', owner: 'b', packageId, lease: null }), /at rest in this package/],
    [
      () => ({ state: 'departing', owner: 'b', packageId: 'ee'.repeat(32), lease: null }),
      /is just leaving laptop/,
    ],
  ];
  for (const [stateOf, told] of held) {
    await withStores(async ({ host, storeUrl, publish }) => {
      const id = await publish(1);
      const objects = await openObjects(packagesEnv, storeUrl);
      await new ObjectOwnership(objects).compareAndSwap(0, sampleRecord(1, stateOf(id)));
      const parameters = { package: id.slice(0, 12) };
      const remove = async (force: string): Promise<unknown> =>
        await host.client.call(routes.packageRemove, { parameters, query: { storeUrl, force } });
      await assert.rejects(
        remove('false'),
        (error) => isKelpieError(error, 'package_in_use') && told.test(error.message),
      );
      const there = async (): Promise<number> =>
        (await host.client.call(routes.packageList, { query: { storeUrl } })).packages.length;
      assert.equal(await there(), 1);
      await remove('true');
      assert.equal(await there(), 0);
    });
  }
});

test('a package is copied with what the other store lacks', async () => {
  await withStores(async ({ host, storeUrl, otherUrl, publish }) => {
    const id = await publish(1);
    const copy = { body: { package: id.slice(0, 12), sourceUrl: storeUrl, targetUrl: otherUrl } };
    const phases: string[] = [];
    const copied = await host.operate(routes.packageCopy, copy, (phase) => void phases.push(phase));
    assert.equal(copied.packageId, id);
    assert.ok(copied.copiedPacks > 0 && phases.includes('copy'));
    assert.equal((await host.operate(routes.packageCopy, copy)).copiedPacks, 0);
    const shown = await host.client.call(routes.packageInspect, {
      parameters: { package: id },
      query: { storeUrl: otherUrl },
    });
    assert.equal(shown.id, id);
    await rejectsWith(
      'package_not_found',
      host.operate(routes.packageCopy, { body: { ...copy.body, package: 'ffff' } }),
    );
  });
});
