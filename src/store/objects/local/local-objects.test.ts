import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, rm, rmdir, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { promisify } from 'node:util';
import { forEachCrashPoint } from '../../../../test/support/crash-points.ts';
import { faultyEnv } from '../../../../test/support/faulty-env.ts';
import { objectStoreSuite } from '../../../../test/support/object-store-suite.ts';
import { refusedAs } from '../../../../test/support/store-fixture.ts';
import { utf8 } from '../../../base/bytes.ts';
import type { Env } from '../../../env/env.ts';
import { createNodeEnv } from '../../../env/node/env.ts';
import { checkStore } from '../check-store.ts';
import { PART_BYTES_MIN } from '../limits.ts';
import { isStoreTrouble } from '../store-trouble.ts';
import { LocalObjects } from './local-objects.ts';

const env = createNodeEnv();

async function withDirectory<T>(use: (root: string) => Promise<T>): Promise<T> {
  const root = await mkdtemp(join(tmpdir(), 'kelpie-objects-'));
  try {
    return await use(root);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

objectStoreSuite('objects in a directory', async () => {
  const root = await mkdtemp(join(tmpdir(), 'kelpie-objects-'));
  return {
    open: async () => new LocalObjects(env, root, root),
    close: async () => await rm(root, { recursive: true }),
  };
});

test('a directory keeps every promise that the doctor asks for', async () => {
  await withDirectory(async (root) => {
    const findings = await checkStore(env, new LocalObjects(env, root, root));
    assert.deepEqual(
      findings.filter(({ level }) => level !== 'ok'),
      [],
    );
    assert.equal(findings.length, 7);
  });
});

test('a directory that is not there is told, and never made', async () => {
  await withDirectory(async (root) => {
    const gone = join(root, 'gone');
    const store = new LocalObjects(env, gone, gone);
    await refusedAs(store.get('key'), 'store_unavailable');
    await refusedAs(store.putIfAbsent('key', utf8('x')), 'store_unavailable');
    await refusedAs(store.list({ prefix: '' }), 'store_unavailable');
    await mkdir(gone);
    await store.put('key', utf8('x'));
    await rm(gone, { recursive: true });
    await mkdir(gone);
    await refusedAs(store.get('key'), 'store_unavailable');
    await rmdir(gone);
  });
});

test('full, read-only and failing disks are told, and leave no body behind', async () => {
  for (const [errno, code] of [
    ['ENOSPC', 'disk_full'],
    ['EROFS', 'store_not_writable'],
    ['EIO', 'store_unavailable'],
  ] as const) {
    await withDirectory(async (root) => {
      const faulty = faultyEnv(env, { rules: [{ act: 'file.write', subject: /parts/, fault: { errno } }] });
      const store = new LocalObjects(faulty.env, root, root);
      await refusedAs(store.putIfAbsent('a/key', utf8('x')), code);
      assert.equal(faulty.injected.length, 1);
      assert.deepEqual(await readdir(join(root, '.kelpie-objects/parts')), []);
      assert.equal(await store.head('a/key'), null);
    });
  }
});

test('a name whose sync failed leaves an unknown outcome', async () => {
  await withDirectory(async (root) => {
    await new LocalObjects(env, root, root).put('other', utf8('x'));
    const rules = [{ act: 'files.syncDirectory', subject: /\/a$/, fault: { errno: 'EIO' } }];
    const store = new LocalObjects(faultyEnv(env, { rules }).env, root, root);
    await assert.rejects(
      store.putIfAbsent('a/key', utf8('x')),
      (error) => isStoreTrouble(error, 'unavailable') && error.isOutcomeUnknown,
    );
  });
});

test('bodies that killed writers have left are removed, those of living ones are not', async () => {
  await withDirectory(async (root) => {
    await new LocalObjects(env, root, root).put('key', utf8('x'));
    const parts = join(root, '.kelpie-objects/parts');
    await writeFile(join(parts, 'old'), 'x');
    await utimes(join(parts, 'old'), 1_000_000, 1_000_000);
    await writeFile(join(parts, 'new'), 'x');
    await new LocalObjects(env, root, root).put('key', utf8('y'));
    assert.deepEqual(await readdir(parts), ['new']);
  });
});

test('what is not an object is not listed, nor read as one', async () => {
  await withDirectory(async (root) => {
    const store = new LocalObjects(env, root, root);
    await store.put('a/b', utf8('x'));
    await writeFile(join(root, 'README.md'), 'not ours');
    await chmod(join(root, 'README.md'), 0);
    assert.deepEqual(
      (await store.list({ prefix: '' })).objects.map(({ key }) => key),
      ['a/b'],
    );
    assert.equal(await store.get('a'), null);
    assert.equal(await store.get('a/b/c'), null);
  });
});

test('a counter that several processes increase loses no step', async () => {
  await withDirectory(async (root) => {
    const racer = join(import.meta.dirname, '../../../../test/support/counter-racer.ts');
    const run = promisify(execFile);
    const racers = await Promise.all(
      [1, 2, 3].map(async () => await run(process.execPath, [racer, root, '12'], { timeout: 25_000 })),
    );
    const written = racers.flatMap(({ stdout }) => stdout.trim().split('\n').map(Number));
    assert.deepEqual(
      written.toSorted((a, b) => a - b),
      Array.from({ length: 36 }, (_, index) => index + 1),
    );
  });
});

test('a writer that is killed at any call leaves the object whole or not there, and nobody in the way', async () => {
  const body = utf8('the whole body');
  const kills = await forEachCrashPoint({
    create: createDirectory,
    act: async (writerEnv, root) => await new LocalObjects(writerEnv, root, root).putIfAbsent('a/key', body),
    check: async (_, root) => {
      const store = new LocalObjects(env, root, root);
      const found = await store.get('a/key');
      if (found !== null) assert.deepEqual(new Uint8Array(found.bytes), body);
      const { result } = await store.putIfAbsent('a/key', body);
      assert.equal(result, found === null ? 'written' : 'refused');
      assert.deepEqual(
        (await store.list({ prefix: '' })).objects.map(({ key }) => key),
        ['a/key'],
      );
    },
  });
  assert.ok(kills >= 15, `${kills} calls`);
});

test('an upload whose writer is killed at any call can be completed again, or is there to be aborted', async () => {
  const kills = await forEachCrashPoint({
    create: async () => {
      const directory = await createDirectory();
      const store = new LocalObjects(env, directory.world, directory.world);
      const upload = await store.startUpload('key', PART_BYTES_MIN);
      return { ...directory, world: { root: directory.world, store, upload } };
    },
    act: async (writerEnv, { root, upload }) =>
      await new LocalObjects(writerEnv, root, root).putPart(upload, 1, utf8('killed')),
    check: async (_, { root, store, upload }) => {
      assert.deepEqual(
        (await store.listUploads({ prefix: '' })).uploads.map(({ id }) => id),
        [upload.id],
      );
      await store.completeUpload(upload, [await store.putPart(upload, 1, utf8('again'))]);
      assert.equal((await store.head('key'))?.sizeBytes, 'again'.length);
      assert.deepEqual((await store.listUploads({ prefix: '' })).uploads, []);
      assert.deepEqual(await readdir(join(root, '.kelpie-objects/uploads')), []);
    },
  });
  assert.ok(kills >= 10, `${kills} calls`);
});

/** A world of `forEachCrashPoint`. */
async function createDirectory(): Promise<{
  readonly env: Env;
  readonly world: string;
  readonly close: () => Promise<void>;
}> {
  const root = await mkdtemp(join(tmpdir(), 'kelpie-objects-'));
  return { env, world: root, close: async () => await rm(root, { recursive: true, force: true }) };
}
