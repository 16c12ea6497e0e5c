import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Bytes } from '../../base/bytes.ts';
import { MIB, PAGE_BYTES } from '../../base/units.ts';
import { PublishWorld, bytesOf } from '../../../test/support/publish-world.ts';
import { patternBytes, sampleMetadata, sha256 } from '../../../test/support/sample-package.ts';
import { refusedAs } from '../../../test/support/store-fixture.ts';
import type { ImageSource } from '../teleport-storage.ts';
import { uploadImage } from './upload-image.ts';

const PAGES = MIB / PAGE_BYTES;
const contents = Array.from({ length: PAGES }, (_, page) => page + 1);
const bytes = patternBytes(2 * MIB + 17, 5);
const image: ImageSource = {
  digest: sampleMetadata.config.image.digest,
  files: [{ name: 'rootfs', sha256: sha256(bytes), ...bytesOf(bytes) }],
};

async function inWorld(
  act: (world: PublishWorld, send: () => Promise<number>) => Promise<void>,
): Promise<void> {
  await PublishWorld.with(async (world) => {
    const { env, objects, sealing } = world;
    await act(world, async () => await uploadImage(env, { objects, sealing, hostName: 'host' }, image));
  });
}

describe('uploadImage', () => {
  it('sends what a publish then only refers to, once', async () => {
    await inWorld(async (world, send) => {
      assert.ok((await send()) > 2 * MIB);
      assert.deepEqual(await world.keys('pins/'), []);
      assert.deepEqual(await world.packageIds(), []);
      const packs = await world.keys('packs/');
      assert.equal(await send(), 0);
      assert.deepEqual(await world.keys('packs/'), packs);
      world.counted.rawBytes = 0;
      const { id, sizes } = await world.publish({
        memory: await world.mappable(contents),
        imageFiles: image.files,
      });
      assert.ok(world.counted.rawBytes < 2 * MIB, 'the image was not packed again');
      assert.ok(sizes.sharedBytes > 2 * MIB);
      await world.expect(id, contents);
    });
  });

  it('sends the same, however the bytes come: whole frames are taken over, others are copied', async () => {
    for (const lengths of [[MIB], [300_000], [MIB, 17, MIB], [MIB - 1, MIB, 18], [5, MIB, MIB, 12]]) {
      await inWorld(async (world) => {
        const { env, objects, sealing } = world;
        const given: Bytes[] = [];
        async function* chunks(): AsyncGenerator<Bytes> {
          for (let offset = 0, turn = 0; offset < bytes.byteLength; turn += 1) {
            const chunk = bytes.slice(offset, offset + (lengths[turn % lengths.length] ?? assert.fail()));
            given.push(chunk);
            offset += chunk.byteLength;
            yield chunk;
          }
        }
        const files = image.files.map((file) => ({ ...file, bytes: chunks }));
        await uploadImage(env, { objects, sealing, hostName: 'host' }, { ...image, files });
        assert.equal(given[0]?.byteLength === 0, lengths[0] === MIB);
        const { id } = await world.publish({
          memory: await world.mappable(contents),
          imageFiles: image.files,
        });
        await world.expect(id, contents);
      });
    }
  });

  it('is done again by the publish, when a sweep came between', async () => {
    await inWorld(async (world, send) => {
      await send();
      for (const key of await world.keys('packs/')) await world.objects.delete(key);
      const { id } = await world.publish({ memory: await world.mappable(contents), imageFiles: image.files });
      await world.expect(id, contents);
    });
  });

  it('refuses a damaged file, and leaves neither a hint nor a pin', async () => {
    await inWorld(async (world) => {
      const { env, objects, sealing } = world;
      const files = image.files.map((file) => ({ ...file, sha256: 'ab'.repeat(32) }));
      const store = { objects, sealing, hostName: 'host' };
      await refusedAs(uploadImage(env, store, { ...image, files }), 'image_corrupt');
      assert.deepEqual([...(await world.keys('images/')), ...(await world.keys('pins/'))], []);
    });
  });

  it('stops when it is canceled', async () => {
    await inWorld(async (world) => {
      const { env, objects, sealing } = world;
      const store = { objects, sealing, hostName: 'host' };
      await refusedAs(uploadImage(env, store, image, { signal: AbortSignal.abort() }), 'canceled');
      assert.deepEqual(await world.keys('pins/'), []);
    });
  });
});
