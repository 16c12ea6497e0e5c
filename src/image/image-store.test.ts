import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { forEachCrashPoint } from '../../test/support/crash-points.ts';
import { exampleImage } from '../../test/support/example-image.ts';
import { faultyEnv } from '../../test/support/faulty-env.ts';
import { refusedAs } from '../../test/support/store-fixture.ts';
import { utf8 } from '../base/bytes.ts';
import { createNodeEnv } from '../env/node/env.ts';
import { encodeImageInfo, sealImageInfo } from './image-info.ts';
import {
  findImage,
  imageByDigest,
  listImages,
  removeImage,
  resolveImage,
  verifyImage,
} from './image-store.ts';
import { exportImage, installImage } from './install-image.ts';
import { imagePaths } from './paths.ts';
import type { Bytes } from '../base/bytes.ts';
import type { Env } from '../env/env.ts';
import type { ImageInfo } from './image-info.ts';
import type { ImageFileName } from './paths.ts';

const env = createNodeEnv();
const signal = new AbortController().signal;

function example(version = '1.0.0', architecture: ImageInfo['architecture'] = 'x86_64'): ImageInfo {
  return sealImageInfo(env.compute, { ...exampleImage(version), architecture });
}

async function* oneByte(name: ImageFileName): AsyncGenerator<Bytes> {
  yield utf8(name.slice(0, 1));
}

async function install(world: Env, home: string, info: ImageInfo): Promise<ImageInfo> {
  return await installImage(
    world,
    home,
    { description: encodeImageInfo(info), fetchFile: oneByte },
    { digest: info.digest, signal },
  );
}

async function withHome(act: (home: string) => Promise<void>): Promise<void> {
  const home = await mkdtemp(join(tmpdir(), 'kelpie-images-'));
  try {
    await act(home);
  } finally {
    await rm(home, { recursive: true });
  }
}

describe('images of a host', () => {
  test('are installed, listed, found, checked and removed', async () => {
    await withHome(async (home) => {
      assert.deepEqual(await listImages(env, home), { images: [], damaged: [] });
      const [older, newer, arm] = [example('1.0.9'), example('1.0.10'), example('1.0.0', 'arm64')];
      for (const info of [newer, older, arm]) await install(env, home, info);
      const { images } = await listImages(env, home);
      assert.deepEqual(
        images.map(({ version }) => version),
        ['1.0.10', '1.0.9', '1.0.0'],
      );
      const query = { name: 'base', architecture: 'x86_64' } as const;
      assert.equal((await findImage(env, home, query)).version, '1.0.10');
      assert.equal((await findImage(env, home, { ...query, version: '1.0.9' })).digest, older.digest);
      assert.equal((await findImage(env, home, { ...query, version: '1.0' })).digest, newer.digest);
      assert.equal((await findImage(env, home, { ...query, architecture: 'arm64' })).digest, arm.digest);
      await refusedAs(findImage(env, home, { ...query, version: '1.1' }), 'image_not_found');
      await refusedAs(findImage(env, home, { ...query, name: 'other' }), 'image_not_found');
      const resolve = async (reference: string): Promise<ImageInfo> =>
        await resolveImage(env, home, reference, 'x86_64');
      assert.deepEqual(await resolve('base'), newer);
      assert.deepEqual(await resolve('base@1.0.9'), older);
      assert.deepEqual(await resolve(arm.digest), arm);
      assert.deepEqual(await resolve(arm.digest.slice(0, 12)), arm);
      await refusedAs(resolve('f'.repeat(12)), 'image_not_found');
      await refusedAs(resolve('base@2'), 'image_not_found');
      assert.deepEqual(await verifyImage(env, home, older.digest), older);
      await removeImage(env, home, older.digest);
      await refusedAs(imageByDigest(env, home, older.digest), 'image_not_found');
      await refusedAs(removeImage(env, home, older.digest), 'image_not_found');
      await refusedAs(removeImage(env, home, '../../etc'), 'image_not_found');
      assert.deepEqual(
        (await readdir(join(home, 'images'))).toSorted(),
        [newer.digest, arm.digest].toSorted(),
      );
    });
  });

  test('go from host to host', async () => {
    await withHome(async (home) => {
      const info = await install(env, join(home, 'a'), example());
      const source = await exportImage(env, join(home, 'a'), info.digest);
      const told: number[] = [];
      const onProgress = (doneBytes: number): void => void told.push(doneBytes);
      await installImage(env, join(home, 'b'), source, { digest: info.digest, onProgress, signal });
      assert.deepEqual(await verifyImage(env, join(home, 'b'), info.digest), info);
      assert.deepEqual(told, [1, 2, 3, 4]);
      await installImage(env, join(home, 'b'), source, { digest: null, signal });
      assert.equal((await listImages(env, join(home, 'b'))).images.length, 1);
    });
  });

  test('that are damaged are told apart, and can be removed', async () => {
    await withHome(async (home) => {
      const [longer, changed] = [example('1.0.1'), example('1.0.2')];
      for (const info of [longer, changed]) await install(env, home, info);
      await writeFile(imagePaths(home, longer.digest).kernel, 'kk');
      await writeFile(imagePaths(home, changed.digest).kernel, 'x');
      const { images, damaged } = await listImages(env, home);
      assert.deepEqual([images.length, damaged.map(({ digest }) => digest)], [1, [longer.digest]]);
      await refusedAs(imageByDigest(env, home, longer.digest), 'image_corrupt');
      await refusedAs(verifyImage(env, home, changed.digest), 'image_corrupt');
      await removeImage(env, home, longer.digest);
      assert.deepEqual((await listImages(env, home)).damaged, []);
    });
  });

  test('are refused when what arrives is not what was described', async () => {
    await withHome(async (home) => {
      const info = example();
      const description = encodeImageInfo(info);
      const files: ((name: ImageFileName) => AsyncIterable<Bytes>)[] = [
        async function* flipped() {
          yield utf8('?');
        },
        async function* short() {},
        async function* long(name) {
          yield* oneByte(name);
          yield utf8('more');
        },
      ];
      for (const fetchFile of files) {
        await refusedAs(
          installImage(env, home, { description, fetchFile }, { digest: null, signal }),
          'image_corrupt',
        );
      }
      const other = { digest: 'f'.repeat(64), signal };
      await refusedAs(installImage(env, home, { description, fetchFile: oneByte }, other), 'image_corrupt');
      const aborted = installImage(
        env,
        home,
        { description, fetchFile: oneByte },
        { digest: null, signal: AbortSignal.abort(new Error('stop')) },
      );
      await assert.rejects(aborted, /stop/);
      assert.deepEqual(await readdir(join(home, 'images')), []);
    });
  });

  test('are refused with one sentence when the disk is full', async () => {
    await withHome(async (home) => {
      const faulty = faultyEnv(env, {
        rules: [{ act: 'file.write', subject: /rootfs/, fault: { errno: 'ENOSPC' } }],
      });
      await refusedAs(install(faulty.env, home, example()), 'disk_full');
      assert.equal(faulty.injected.length, 1);
      assert.deepEqual(await readdir(join(home, 'images')), []);
    });
  });

  test('installed twice at once are one image', async () => {
    await withHome(async (home) => {
      const info = example();
      await Promise.all([install(env, home, info), install(env, home, info), install(env, home, info)]);
      assert.deepEqual(await readdir(join(home, 'images')), [info.digest]);
    });
  });
});

test(
  'an image is whole or not there, wherever its installer or remover is killed, and the next one cleans up',
  { timeout: 120_000 },
  async () => {
    const [old, fresh, next] = [example('1.0.1'), example('1.0.2'), example('1.0.3')];
    await forEachCrashPoint({
      create: async () => {
        const home = await mkdtemp(join(tmpdir(), 'kelpie-images-'));
        await install(env, home, old);
        return { env, world: home, close: async () => await rm(home, { recursive: true }) };
      },
      act: async (world, home) => {
        await install(world, home, fresh);
        await removeImage(world, home, old.digest);
      },
      check: async (world, home, killedAt) => {
        const { images, damaged } = await listImages(world, home);
        assert.deepEqual(damaged, []);
        for (const image of images) await verifyImage(world, home, image.digest);
        if (killedAt === null) assert.deepEqual(images, [fresh]);
        await install(world, home, next);
        const known = new Set([old, fresh, next].map(({ digest }) => digest));
        assert.deepEqual(
          (await readdir(join(home, 'images'))).filter((name) => !known.has(name)),
          [],
        );
      },
    });
  },
);
