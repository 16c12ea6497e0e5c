/** What the world does to a local store: full and broken disks, killed publishers, racing processes, unmounted disks. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execPath } from 'node:process';
import test from 'node:test';
import { promisify } from 'node:util';
import { faultyEnv } from '../../../test/support/faulty-env.ts';
import type { Call, FaultRule } from '../../../test/support/faulty-env.ts';
import { forEachCrashPoint } from '../../../test/support/crash-points.ts';
import { createLocalStoreFixture } from '../../../test/support/local-store-fixture.ts';
import type { LocalStoreFixture } from '../../../test/support/local-store-fixture.ts';
import { sampleRecord } from '../../../test/support/ownership-suite.ts';
import {
  patternBytes,
  sampleBlob,
  samplePackage,
  sha256,
  smallContents,
  streamOf,
} from '../../../test/support/sample-package.ts';
import { refusedAs } from '../../../test/support/store-fixture.ts';
import { utf8 } from '../../base/bytes.ts';
import { canonicalJson } from '../../base/canonical-json.ts';
import { isKelpieError } from '../../base/errors.ts';
import type { Env } from '../../env/env.ts';
import { openStore } from '../open-store.ts';
import type { Store } from '../open-store.ts';
import type { TeleportStorage } from '../teleport-storage.ts';

const options = { hostArchitecture: 'x86_64' } as const;
const { vmId } = sampleRecord(1);

function withStore(sentence: string, check: (fixture: LocalStoreFixture) => Promise<void>): void {
  test(`local store: ${sentence}`, { timeout: 120_000 }, async () => {
    const fixture = await createLocalStoreFixture();
    try {
      await check(fixture);
    } finally {
      await fixture.close();
    }
  });
}

async function open(env: Env, root: string): Promise<Store> {
  return await openStore(env, root, options);
}

/** Every segment, with its digest checked. */
async function readAll(storage: TeleportStorage, id: string): Promise<void> {
  const opened = await storage.download(id);
  for (const { name } of opened.package.segments) for await (const _ of opened.segment(name));
}

/** Nothing is there but whole packages, and nothing is left after a sweep. */
async function assertSound({ storage }: Store, { objects }: LocalStoreFixture): Promise<readonly string[]> {
  await storage.sweep();
  const left = (await objects.names()).filter((name) => name.startsWith('uploads/'));
  assert.deepEqual(left, [], 'a sweep removes what was left behind');
  const ids: string[] = [];
  for (const listing of await storage.list()) {
    assert.ok(!listing.damaged, 'no half package is listed');
    await readAll(storage, listing.package.id);
    ids.push(listing.package.id);
  }
  return ids;
}

const fixtureWorld = async (): Promise<{
  env: Env;
  world: LocalStoreFixture;
  close: () => Promise<void>;
}> => {
  const fixture = await createLocalStoreFixture();
  return { env: fixture.env, world: fixture, close: async () => await fixture.close() };
};

test(
  'local store: a publisher killed at any call leaves a whole package or none, and can start again',
  { timeout: 120_000 },
  async () => {
    const blobBytes = patternBytes(30, 5);
    const blob = sampleBlob(blobBytes);
    const publish = async (env: Env, root: string): Promise<string> => {
      const { storage } = await open(env, root);
      await storage.uploadBlob(blob, () => streamOf(blobBytes));
      return (await storage.upload({ ...samplePackage(), imageFiles: [blob] })).id;
    };
    const kills = await forEachCrashPoint({
      create: fixtureWorld,
      act: async (env, { root }) => await publish(env, root),
      check: async (env, world, killedAt) => {
        const store = await open(env, world.root);
        const before = await assertSound(store, world);
        if (killedAt === null) assert.equal(before.length, 1);
        const id = await publish(env, world.root);
        assert.deepEqual(await assertSound(store, world), [id]);
      },
    });
    assert.ok(kills > 40, `${kills} kills`);
  },
);

test(
  'local store: a deleter killed at any call leaves a whole package or none',
  { timeout: 120_000 },
  async () => {
    await forEachCrashPoint({
      create: async () => {
        const created = await fixtureWorld();
        const { id } = await (await created.world.open()).storage.upload(samplePackage());
        return { ...created, world: { ...created.world, id } };
      },
      act: async (env, { root, id }) => await (await open(env, root)).storage.delete(id),
      check: async (env, world, killedAt) => {
        const store = await open(env, world.root);
        const left = await assertSound(store, world);
        if (killedAt === null) assert.deepEqual(left, []);
        await store.storage.delete(world.id);
        assert.deepEqual(await assertSound(store, world), []);
      },
    });
  },
);

test(
  'local store: a host killed at any call of a change leaves the record before or after it',
  { timeout: 120_000 },
  async () => {
    await forEachCrashPoint({
      create: async () => {
        const created = await fixtureWorld();
        const { ownership } = await created.world.open();
        for (let revision = 1; revision <= 20; revision += 1)
          await ownership.compareAndSwap(revision - 1, sampleRecord(revision));
        return created;
      },
      act: async (env, { root }) =>
        await (await open(env, root)).ownership.compareAndSwap(20, sampleRecord(21)),
      check: async (env, { root, objects }, killedAt) => {
        const { ownership } = await open(env, root);
        const { revision } = (await ownership.read(vmId)) ?? { revision: 0 };
        assert.ok(revision === 21 || (revision === 20 && killedAt !== null), `revision ${revision}`);
        for (let next = revision + 1; next <= 40; next += 1)
          await ownership.compareAndSwap(next - 1, sampleRecord(next));
        const names = (await objects.names()).filter((name) => name.includes(vmId));
        assert.ok(
          names.length <= 17 && names.every((name) => name.endsWith('.json')),
          `left: ${names.join(' ')}`,
        );
      },
    });
  },
);

withStore(
  'a disk that is full, read-only or broken at any call is told as such, and nothing is half',
  async (fixture) => {
    const acts = [
      'file.write',
      'file.sync',
      'files.open',
      'files.rename',
      'files.syncDirectory',
      'files.makeDirectoryExclusive',
      'files.link',
    ];
    const codes = {
      ENOSPC: 'disk_full',
      EDQUOT: 'disk_full',
      EROFS: 'store_not_writable',
      EACCES: 'store_not_writable',
      EIO: 'store_unavailable',
    } as const;
    let injections = 0;
    for (const act of acts) {
      for (const [errno, code] of Object.entries(codes)) {
        for (let skip = 0; ; skip += 1) {
          const rules: readonly FaultRule[] = [{ act, after: skip, count: 1, fault: { errno } }];
          const { env, injected } = faultyEnv(fixture.env, { rules });
          const store = await open(fixture.env, fixture.root);
          const publish = async (): Promise<unknown> =>
            await (await open(env, fixture.root)).storage.upload(samplePackage());
          const failure = await publish().then(
            () => null,
            (error: unknown) => error,
          );
          if (injected.length === 0) break;
          injections += 1;
          // Null: what failed was the cleaning up.
          const isTold = failure === null || isKelpieError(failure, code, 'store_unavailable');
          assert.ok(isTold, `${errno} at ${act} ${skip}: ${String(failure)}`);
          for (const id of await assertSound(store, fixture)) await store.storage.delete(id);
        }
      }
    }
    assert.ok(injections > 60, `${injections} faults`);
  },
);

withStore('a torn write does not become a package', async (fixture) => {
  for (const skip of [0, 1, 2, 3]) {
    const rules: readonly FaultRule[] = [
      { act: 'file.write', after: skip, count: 1, fault: { bytesWritten: 5, errno: 'ENOSPC' } },
    ];
    const { env, injected } = faultyEnv(fixture.env, { rules });
    const { storage } = await open(env, fixture.root);
    await refusedAs(storage.upload(samplePackage({ memory: patternBytes(3000, 1) })), 'disk_full');
    assert.equal(injected.length, 1);
    assert.deepEqual(await assertSound(await fixture.open(), fixture), []);
  }
});

withStore('a change of the record that could not be made durable is not told as made', async (fixture) => {
  const rules: readonly FaultRule[] = [
    { act: 'files.syncDirectory', subject: new RegExp(vmId), fault: { errno: 'EIO' } },
  ];
  const { ownership } = await open(faultyEnv(fixture.env, { rules }).env, fixture.root);
  await refusedAs(ownership.compareAndSwap(0, sampleRecord(1)), 'store_unavailable');
  await refusedAs(ownership.read(vmId), 'store_unavailable');
  const { ownership: healthy } = await fixture.open();
  assert.deepEqual(
    await healthy.read(vmId),
    sampleRecord(1),
    'the outcome was unknown: here it had happened',
  );
});

/** Another host that makes revisions `first` … `last`. */
async function advance(fixture: LocalStoreFixture, first: number, last: number): Promise<void> {
  const { ownership } = await fixture.open();
  for (let revision = first; revision <= last; revision += 1) {
    await ownership.compareAndSwap(revision - 1, sampleRecord(revision));
  }
}

for (const [napAt, code] of [
  ['files.open', 'store_unavailable'],
  ['files.link', 'store_conflict'],
] as const) {
  withStore(
    `a writer that slept at ${napAt} until its revision was removed does not believe that it won`,
    async (fixture) => {
      await advance(fixture, 1, 5);
      let slept = false;
      const onCall = async ({ act, subject }: Call): Promise<void> => {
        if (act !== napAt || !subject.includes('.part') || slept) return;
        slept = true;
        await advance(fixture, 6, 40);
      };
      const { ownership } = await open(faultyEnv(fixture.env, { onCall }).env, fixture.root);
      await refusedAs(ownership.compareAndSwap(5, sampleRecord(6, { state: 'removed' })), code);
      assert.ok(slept);
      assert.deepEqual(await ownership.read(vmId), sampleRecord(40));
      await advance(fixture, 41, 41);
      const names = (await fixture.objects.names()).filter((name) => name.includes(vmId));
      assert.ok(!names.some((name) => name.endsWith('/6.json')), 'the stray revision is removed');
    },
  );
}

withStore('a reader whose revision was removed under it reads the newest', async (fixture) => {
  await advance(fixture, 1, 1);
  let slept = false;
  const onCall = async ({ act, subject }: Call): Promise<void> => {
    if (act !== 'files.readFile' || !subject.includes(vmId) || slept) return;
    slept = true;
    await advance(fixture, 2, 40);
  };
  const { ownership } = await open(faultyEnv(fixture.env, { onCall }).env, fixture.root);
  assert.deepEqual(await ownership.read(vmId), sampleRecord(40));
  assert.ok(slept);
});

withStore('processes that race for a record win each revision exactly once', async (fixture) => {
  const racer = join(import.meta.dirname, '../../../test/support/ownership-racer.ts');
  const run = async (): Promise<readonly number[]> => {
    const { stdout } = await promisify(execFile)(execPath, [racer, fixture.root, '60'], {
      timeout: 60_000,
    });
    return stdout.split('\n').filter(Boolean).map(Number);
  };
  const won = (await Promise.all([run(), run(), run(), run()])).flat();
  assert.deepEqual(
    won.toSorted((a, b) => a - b),
    Array.from({ length: 60 }, (_, index) => index + 1),
  );
});

withStore(
  'a manifest, a store and a package of a newer format are told from broken ones',
  async (fixture) => {
    const { storage } = await fixture.open();
    await storage.upload(samplePackage());
    const manifest = utf8(canonicalJson({ formatVersion: 2, shape: 'unknown' }));
    const id = sha256(manifest);
    await fixture.objects.write(`packages/${id}/manifest.json`, manifest);
    await refusedAs(storage.download(id), 'package_too_new');
    assert.equal((await storage.list()).filter((listing) => listing.damaged).length, 1);
    await fixture.objects.write('store.json', utf8('{"formatVersion":2}'));
    await refusedAs(fixture.open(), 'package_too_new');
  },
);

withStore('a package without a manifest, and what is none, are not taken for packages', async (fixture) => {
  const { objects } = fixture;
  const { storage } = await fixture.open();
  const { id } = await storage.upload(samplePackage(smallContents));
  await objects.write('packages/readme.txt', utf8('mine'));
  await objects.write(`packages/${'0'.repeat(64)}/memory`, utf8('half'));
  const listed = await storage.list();
  assert.equal(listed.length, 2);
  assert.equal(listed.find((listing) => !listing.damaged)?.package.id, id);
  await storage.delete('0'.repeat(64));
  assert.equal((await storage.list()).length, 1);
});

withStore('a store that is not there is said to be missing, and is not made', async (fixture) => {
  await refusedAs(open(fixture.env, `${fixture.root}/missing`), 'store_unavailable');
  await writeFile(`${fixture.root}/file`, '');
  await refusedAs(open(fixture.env, `${fixture.root}/file`), 'store_unavailable');
});

withStore('a store that was unmounted does not look empty', async (fixture) => {
  const { storage, ownership } = await fixture.open();
  await ownership.compareAndSwap(0, sampleRecord(1));
  const unmounted = [
    async () => await rm(fixture.root, { recursive: true }),
    async () => await mkdir(fixture.root),
  ];
  for (const becomes of unmounted) {
    await becomes();
    await refusedAs(ownership.read(vmId), 'store_unavailable');
    await refusedAs(storage.list(), 'store_unavailable');
    await refusedAs(storage.upload(samplePackage()), 'store_unavailable');
    await refusedAs(ownership.compareAndSwap(0, sampleRecord(1)), 'store_unavailable');
  }
});

withStore('what a sweep did not make it does not remove', async (fixture) => {
  const { storage } = await fixture.open();
  await storage.upload(samplePackage());
  const left = `${fixture.root}/uploads/00000000-0000-4000-8000-0000000000ff`;
  await mkdir(`${left}/package`, { recursive: true });
  await writeFile(`${left}/package/memory`, new Uint8Array(10_000));
  await writeFile(`${fixture.root}/uploads/notes.txt`, 'mine');
  const { removed, removedBytes } = await storage.sweep();
  assert.equal(removed, 1);
  assert.ok(removedBytes >= 10_000);
  assert.deepEqual(
    (await fixture.objects.names()).filter((name) => name.startsWith('uploads/')),
    ['uploads/notes.txt'],
  );
  await rename(`${fixture.root}/uploads/notes.txt`, `${fixture.root}/notes.txt`);
});
