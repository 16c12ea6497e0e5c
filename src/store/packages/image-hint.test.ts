import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PublishWorld, bytesOf } from '../../../test/support/publish-world.ts';
import { patternBytes, sampleMetadata, sha256 } from '../../../test/support/sample-package.ts';
import { MIB, PAGE_BYTES } from '../../base/units.ts';
import type { ImageSource } from '../teleport-storage.ts';
import { imageHintKey, readImageHint } from './image-hint.ts';
import { uploadImage } from './upload-image.ts';

const bytes = patternBytes(70_000, 5);
const image: ImageSource = {
  digest: sampleMetadata.config.image.digest,
  files: [{ name: 'rootfs', sha256: sha256(bytes), ...bytesOf(bytes) }],
};

/** A store that knows where the image lies, and what it says of it. */
async function withHint(act: (world: PublishWorld, hint: Uint8Array) => Promise<void>): Promise<void> {
  await PublishWorld.with(async (world) => {
    const { env, objects, sealing } = world;
    await uploadImage(env, { objects, sealing, hostName: 'host' }, image);
    const hint = await objects.get(imageHintKey(image.digest));
    assert.ok(hint !== null);
    await act(world, hint.bytes);
  });
}

/** The same bytes with one bit changed. */
function flipped(whole: Uint8Array, at: number): Uint8Array {
  return whole.map((byte, index) => (index === at ? byte ^ (1 << (at % 8)) : byte));
}

test('a hint that came with any bit changed is as good as none', async () => {
  await withHint(async ({ env, objects, sealing }, whole) => {
    const readBack = async (hint: Uint8Array): ReturnType<typeof readImageHint> => {
      await objects.put(imageHintKey(image.digest), hint);
      return await readImageHint(env.compute, { objects, sealing }, image, {});
    };
    assert.notEqual(await readBack(whole), null);
    for (let at = 0; at < whole.byteLength; at += 1)
      assert.equal(await readBack(flipped(whole, at)), null, `byte ${at}`);
  });
});

test('no package refers to what a damaged hint says', async () => {
  await withHint(async (world, whole) => {
    // In a digest of a frame: everything else of it is as it should be.
    const at = Buffer.from(whole).indexOf('"sha256":"') + '"sha256":"'.length;
    const digit = whole[at] === 0x30 ? 0x31 : 0x30;
    await world.objects.put(
      imageHintKey(image.digest),
      whole.map((byte, index) => (index === at ? digit : byte)),
    );
    const contents = Array.from({ length: MIB / PAGE_BYTES }, (_, page) => page + 1);
    const packsBefore = await world.keys('packs/');
    const { id, sizes } = await world.publish({
      memory: await world.mappable(contents),
      imageFiles: image.files,
    });
    assert.equal(sizes.sharedBytes, 0, 'the image was sent again');
    assert.ok((await world.keys('packs/')).length > packsBefore.length);
    await world.expect(id, contents);
  });
});
