import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { forEachCrashPoint } from '../../test/support/crash-points.ts';
import { faultyEnv } from '../../test/support/faulty-env.ts';
import { sampleMetadata } from '../../test/support/sample-package.ts';
import { refusedAs } from '../../test/support/store-fixture.ts';
import type { Env } from '../env/env.ts';
import { createNodeEnv } from '../env/node/env.ts';
import { collectBlobs } from './collect-blobs.ts';
import { LocalSnapshots } from './local-snapshots.ts';
import type { SnapshotFacts } from './local-snapshots.ts';

const { vmId } = sampleMetadata;
const id = (number: number): string => `00000000-0000-4000-8000-${number.toString(16).padStart(12, '0')}`;

function facts(number: number): SnapshotFacts {
  return {
    metadata: { ...sampleMetadata, snapshotId: id(number), createdAtUnixMs: number },
    deviceStateBytes: 5,
    memory: { pageFiles: [id(100), id(100 + number)], mappable: null },
    disk: [{ id: id(200), format: 'raw', sizeBytes: 4096 }],
    dirtyBytes: 8192,
    pauseMs: 12,
  };
}

async function createHome(): Promise<{ env: Env; home: string; close: () => Promise<void> }> {
  const home = await mkdtemp(join(tmpdir(), 'kelpie-home-'));
  await mkdir(`${home}/blobs`);
  await mkdir(`${home}/vms/${vmId}`, { recursive: true });
  return { env: createNodeEnv(), home, close: async () => await rm(home, { recursive: true, force: true }) };
}

function withHome(
  sentence: string,
  check: (snapshots: LocalSnapshots, home: string, env: Env) => Promise<void>,
): void {
  test(sentence, { timeout: 60_000 }, async () => {
    const { env, home, close } = await createHome();
    try {
      await check(new LocalSnapshots(env, home), home, env);
    } finally {
      await close();
    }
  });
}

async function take(snapshots: LocalSnapshots, number: number): Promise<void> {
  const directory = await snapshots.prepare(vmId, id(number));
  await writeFile(`${directory}/device-state`, 'state');
  await writeFile(`${directory}/memory.map`, 'map');
  await snapshots.complete(facts(number));
}

withHome('a completed snapshot is read and listed, oldest first', async (snapshots, home) => {
  for (const number of [3, 1, 2]) await take(snapshots, number);
  const read = await snapshots.read(vmId, id(2));
  const directory = `${home}/vms/${vmId}/snapshots/${id(2)}`;
  const memory = { mapPath: `${directory}/memory.map`, pageFiles: [id(100), id(102)], mappable: null };
  assert.deepEqual(read, { ...facts(2), directory, deviceStatePath: `${directory}/device-state`, memory });
  assert.deepEqual(
    (await snapshots.list(vmId)).map((listing) => listing.id),
    [id(1), id(2), id(3)],
  );
  await snapshots.setMappable(read, id(300));
  assert.equal((await snapshots.read(vmId, id(2))).memory.mappable, id(300));
});

withHome('a snapshot that was not completed is none', async (snapshots) => {
  await snapshots.prepare(vmId, id(1));
  await take(snapshots, 2);
  await refusedAs(snapshots.read(vmId, id(1)), 'snapshot_not_found');
  assert.equal((await snapshots.list(vmId)).length, 1);
  assert.equal(await snapshots.removeIncomplete(vmId), 1);
  assert.deepEqual(await snapshots.ids(vmId), [id(2)]);
});

withHome('facts that nobody could read back are refused before they are written', async (snapshots) => {
  await snapshots.prepare(vmId, id(1));
  const { metadata } = facts(1);
  const wrong = { ...facts(1), metadata: { ...metadata, guest: { bootId: '', generation: 0 } } };
  await refusedAs(snapshots.complete(wrong), 'snapshot_corrupt');
  assert.deepEqual(await snapshots.list(vmId), []);
});

withHome('what is no id names nothing', async (snapshots) => {
  for (const bad of ['..', '', '../../etc', vmId.toUpperCase(), `${id(1)}/`]) {
    await refusedAs(snapshots.read(vmId, bad), 'snapshot_not_found');
    await refusedAs(snapshots.read(bad, id(1)), 'snapshot_not_found');
    await refusedAs(snapshots.delete(vmId, bad), 'snapshot_not_found');
    await refusedAs(snapshots.prepare(bad, id(1)), 'snapshot_not_found');
    assert.deepEqual(await snapshots.list(bad), []);
  }
  await refusedAs(snapshots.read(vmId, id(9)), 'snapshot_not_found');
  await snapshots.delete(vmId, id(9));
});

withHome(
  'a damaged snapshot is listed with its reason, and holds back the collector until it is deleted',
  async (snapshots, home, env) => {
    await take(snapshots, 1);
    await take(snapshots, 2);
    await writeFile(`${home}/blobs/${id(999)}.pages`, 'x');
    const path = `${home}/vms/${vmId}/snapshots/${id(1)}/snapshot.json`;
    for (const [text, code] of [
      ['{', 'snapshot_corrupt'],
      ['{"formatVersion":9}', 'package_too_new'],
    ] as const) {
      await writeFile(path, text);
      await refusedAs(snapshots.read(vmId, id(1)), code);
      const [whole, damaged] = await snapshots.list(vmId);
      assert.equal(whole?.id, id(2));
      assert.ok(damaged?.damaged === true && damaged.id === id(1) && damaged.reason.length > 10);
      await refusedAs(collectBlobs(env, home, []), 'snapshot_corrupt');
    }
    await snapshots.delete(vmId, id(1));
    assert.equal((await collectBlobs(env, home, [])).removed, 1);
  },
);

withHome('blobs go when nothing names them, and nothing else goes', async (snapshots, home, env) => {
  await take(snapshots, 1);
  await take(snapshots, 2);
  const held = [
    `${id(100)}.pages`,
    `${id(101)}.pages`,
    `${id(102)}.pages`,
    `${id(200)}.raw`,
    `${id(300)}.qcow2`,
    `${id(301)}.pages`,
    'README',
  ];
  const free = [`${id(400)}.pages`, `${id(401)}.raw`, `${id(402)}.qcow2`, `${id(403)}.pages.part`];
  for (const name of [...held, ...free]) await writeFile(`${home}/blobs/${name}`, 'some bytes');
  const roots = [
    { memory: { pageFiles: [], mappable: id(301) }, disk: [{ id: id(300), format: 'qcow2', sizeBytes: 1 }] },
  ] as const;
  const { removed, removedBytes } = await collectBlobs(env, home, roots);
  assert.equal(removed, free.length);
  assert.ok(removedBytes > 0);
  assert.deepEqual((await readdir(`${home}/blobs`)).toSorted(), held.toSorted());
  await snapshots.delete(vmId, id(2));
  await collectBlobs(env, home, []);
  assert.deepEqual(
    (await readdir(`${home}/blobs`)).toSorted(),
    [`${id(100)}.pages`, `${id(101)}.pages`, `${id(200)}.raw`, 'README'].toSorted(),
  );
});

withHome(
  'a snapshot that is set aside is not listed, keeps its blobs, and makes room for the next',
  async (snapshots, home, env) => {
    await take(snapshots, 1);
    await take(snapshots, 2);
    assert.equal(await snapshots.aside(vmId), null);
    await snapshots.setAside(vmId, id(1));
    await snapshots.setAside(vmId, id(1));
    assert.deepEqual(await snapshots.ids(vmId), [id(2)]);
    const aside = await snapshots.aside(vmId);
    assert.equal(aside?.metadata.snapshotId, id(1));
    assert.equal((await readdir(aside.directory)).length, 3);
    for (const number of [100, 101, 102, 200]) await writeFile(`${home}/blobs/${id(number)}.pages`, 'x');
    assert.equal((await collectBlobs(env, home, [])).removed, 0);
    await snapshots.setAside(vmId, id(2));
    assert.equal((await snapshots.aside(vmId))?.metadata.snapshotId, id(2));
    assert.equal((await collectBlobs(env, home, [])).removed, 1);
    await writeFile(`${home}/vms/${vmId}/aside/${id(2)}/snapshot.json`, 'damaged');
    assert.equal(await snapshots.aside(vmId), null);
    await snapshots.dropAside(vmId);
    assert.equal((await collectBlobs(env, home, [])).removed, 3);
  },
);

withHome('what is known of a blob in a store goes with the blob', async (snapshots, home, env) => {
  await take(snapshots, 1);
  const store = `${home}/places/${id(900)}`;
  await mkdir(store, { recursive: true });
  await mkdir(`${home}/places/not-a-store`);
  const held = [`${id(100)}.map`, `${id(200)}.map`, `${id(200)}.map.new`, 'README'];
  for (const name of [...held, `${id(400)}.map`, `${id(401)}.map.new`])
    await writeFile(`${store}/${name}`, 'x');
  await writeFile(`${home}/places/not-a-store/${id(400)}.map`, 'x');
  assert.equal((await collectBlobs(env, home, [])).removed, 2);
  assert.deepEqual((await readdir(store)).toSorted(), held.toSorted());
  assert.deepEqual(await readdir(`${home}/places/not-a-store`), [`${id(400)}.map`]);
});

withHome('a full disk is told, and the snapshot is none', async (snapshots, home, env) => {
  await take(snapshots, 1);
  const { env: full, injected } = faultyEnv(env, {
    rules: [{ act: 'file.write', fault: { errno: 'ENOSPC' } }],
  });
  await refusedAs(take(new LocalSnapshots(full, home), 2), 'disk_full');
  assert.equal(injected.length, 1);
  assert.deepEqual(
    (await snapshots.list(vmId)).map((listing) => listing.id),
    [id(1)],
  );
  await snapshots.removeIncomplete(vmId);
  await take(snapshots, 2);
});

test(
  'a host killed at any call of taking or deleting a snapshot has it whole or not at all',
  { timeout: 60_000 },
  async () => {
    await forEachCrashPoint({
      create: async () => {
        const { env, home, close } = await createHome();
        await take(new LocalSnapshots(env, home), 1);
        return { env, world: home, close };
      },
      act: async (env, home) => {
        const snapshots = new LocalSnapshots(env, home);
        await take(snapshots, 2);
        await snapshots.delete(vmId, id(1));
      },
      check: async (env, home, killedAt) => {
        const snapshots = new LocalSnapshots(env, home);
        for (const listing of await snapshots.list(vmId)) assert.ok(!listing.damaged, 'a snapshot is whole');
        if (killedAt === null) assert.deepEqual(await snapshots.ids(vmId), [id(2)]);
        await snapshots.removeIncomplete(vmId);
        await snapshots.delete(vmId, id(1));
        await take(snapshots, 2);
        assert.deepEqual(await snapshots.ids(vmId), [id(2)]);
      },
    });
  },
);
