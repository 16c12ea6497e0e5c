/** Sweeps and copies over a directory, killed at every call that they make to the disk: what can be seen is whole, and the next try ends it. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import type { Env } from '../src/env/env.ts';
import { listAll } from '../src/store/objects/list-all.ts';
import type { ObjectStore } from '../src/store/objects/object-store.ts';
import { openObjects } from '../src/store/objects/open-objects.ts';
import { collectGarbage } from '../src/store/packages/collect.ts';
import { copyPackage } from '../src/store/packages/copy-package.ts';
import { packageKey } from '../src/store/packages/package-key.ts';
import { plainSealing } from '../src/store/packages/sealing.ts';
import { forEachCrashPoint } from './support/crash-points.ts';
import { hastyEnv } from './support/hasty-env.ts';
import { memoryOf, packagesEnv, readEverything, tinyContents } from './support/packages.ts';
import { sampleSession } from './support/sample-maps.ts';
import { writePackage } from './support/written-package.ts';
import type { WriterStore } from './support/written-package.ts';

interface World {
  /** A directory. */
  readonly url: string;
  readonly kept: string;
}

interface Created<W> {
  readonly env: Env;
  readonly world: W;
  readonly close: () => Promise<void>;
}

/** A store with nothing in it. */
async function createEmpty(): Promise<Created<{ readonly url: string }>> {
  const url = await mkdtemp(join(tmpdir(), 'kelpie-sweep-'));
  return {
    env: hastyEnv(packagesEnv),
    world: { url },
    close: async () => await rm(url, { recursive: true }),
  };
}

/** A store with one package, and the packs of another that was removed. */
async function createWorld(): Promise<Created<World>> {
  const { env, world, close } = await createEmpty();
  const store = await storeAt(env, world.url);
  const kept = await publish(store, 1);
  await store.objects.delete(packageKey(await publish(store, 2)));
  return { env, world: { ...world, kept }, close };
}

async function storeAt(env: Env, url: string): Promise<WriterStore> {
  return { objects: await openObjects(env, url), sealing: plainSealing };
}

async function publish(store: WriterStore, number: number): Promise<string> {
  const contents = { ...tinyContents, memory: memoryOf([1, 2, 3], number) };
  return await writePackage(packagesEnv, store, contents, {
    session: sampleSession(number),
    pagesPerFrame: 1,
  });
}

async function keysOf(objects: ObjectStore, prefix: string): Promise<readonly string[]> {
  return (await Array.fromAsync(listAll(objects, prefix))).map(({ key }) => key);
}

test('a sweep that is killed leaves every package whole, and the next one ends it', async () => {
  const kills = await forEachCrashPoint<World>({
    create: createWorld,
    act: async (env, { url }) =>
      await collectGarbage(env, await openObjects(env, url), { graceMs: 0, hostName: 'killed' }),
    check: async (env, { url, kept }) => {
      const store = await storeAt(env, url);
      await readEverything(store, kept);
      await collectGarbage(env, store.objects, { graceMs: 0, hostName: 'next' });
      const packs = await keysOf(store.objects, 'packs/');
      assert.ok(
        packs.every((key) => key.includes(sampleSession(1))),
        packs.join(),
      );
      await readEverything(store, kept);
    },
  });
  assert.ok(kills > 50, `${kills}`);
});

test('a copy that is killed is seen whole or not at all, and the next one ends it', async () => {
  const source = await createWorld();
  try {
    const from = await storeAt(source.env, source.world.url);
    const copy = async (env: Env, url: string): Promise<void> => {
      const target = { objects: await openObjects(env, url), sealing: plainSealing, hostName: 'copier' };
      await copyPackage(env, from, target, source.world.kept);
    };
    const kills = await forEachCrashPoint({
      create: createEmpty,
      act: async (env, { url }) => await copy(env, url),
      check: async (env, { url }) => {
        const store = await storeAt(env, url);
        const { kept } = source.world;
        const visible = await keysOf(store.objects, 'packages/');
        if (visible.includes(packageKey(kept))) await readEverything(store, kept);
        await copy(env, url);
        await readEverything(store, kept);
      },
    });
    assert.ok(kills > 20, `${kills}`);
  } finally {
    await source.close();
  }
});
