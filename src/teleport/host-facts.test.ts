/** What is looked at before a restore: of the images here, the one that the snapshot ran on. */
import assert from 'node:assert/strict';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import test from 'node:test';
import { SettleWorld } from '../../test/support/settle-world.ts';
import { refusedAs } from '../../test/support/store-fixture.ts';
import { imagePaths, imagesDirectory } from '../image/paths.ts';
import { checkHere, readHostFacts, requireCompatible } from './host-facts.ts';
import type { SnapshotMetadata } from '../snapshot/metadata.ts';

const OTHER_DIGEST = 'ab'.repeat(32);
const listener = { notice: (text: string): void => assert.fail(text) };
const asked = { name: 'dev', carriesImage: false, listener };

async function snapshotOf(world: SettleWorld): Promise<SnapshotMetadata> {
  const { metadata } = await world.host.snapshots.read(world.vm.id, await world.pauseWithSnapshot());
  return metadata;
}

test('an image that no snapshot needs and that cannot be read is in no restore’s way', async () => {
  await SettleWorld.with(async (world) => {
    const metadata = await snapshotOf(world);
    // A folder where its description should be.
    await mkdir(imagePaths(world.host.places.home, OTHER_DIGEST).description, { recursive: true });
    await requireCompatible(world.host, metadata, asked);
  });
});

test('the image that it ran on must be here, whole or not: whoever uses it reads what it is', async () => {
  await SettleWorld.with(async (world) => {
    const metadata = await snapshotOf(world);
    const paths = imagePaths(world.host.places.home, metadata.config.image.digest);
    await writeFile(paths.kernel, '');
    await requireCompatible(world.host, metadata, asked);
    await rm(paths.description);
    await refusedAs(requireCompatible(world.host, metadata, asked), 'image_not_found');
    await requireCompatible(world.host, metadata, { ...asked, carriesImage: true });
  });
});

test('who restores the state of an older VMM is told, and who restores one of another fix of it', async () => {
  await SettleWorld.with(async (world) => {
    const metadata = await snapshotOf(world);
    const told: string[] = [];
    const listening = { ...asked, listener: { notice: (text: string) => void told.push(text) } };
    for (const backendVersion of ['0.9.1', '1.0.9'])
      await requireCompatible(
        world.host,
        { ...metadata, machine: { ...metadata.machine, backendVersion } },
        listening,
      );
    assert.deepEqual(told, [
      '"dev": it ran on sim 0.9.1, this host has 1.0, and from then on needs that or a newer one.',
      '"dev": it ran on sim 1.0.9, this host has 1.0.',
    ]);
    const newer = { ...metadata, machine: { ...metadata.machine, backendVersion: '1.1.0' } };
    await refusedAs(requireCompatible(world.host, newer, asked), 'restore_incompatible');
  });
});

test('images that the disk does not list are its failure, not ours', async () => {
  await SettleWorld.with(async (world) => {
    const directory = imagesDirectory(world.host.places.home);
    await rm(directory, { recursive: true });
    await writeFile(directory, '');
    await refusedAs(readHostFacts(world.host), 'io_failed');
  });
});

test('a checkpoint finds any image of its release', async () => {
  await SettleWorld.with(async (world) => {
    const metadata: SnapshotMetadata = { ...(await snapshotOf(world)), kind: 'checkpoint' };
    const { config } = metadata;
    const of = (version: string): SnapshotMetadata => {
      const image = { ...config.image, version, digest: OTHER_DIGEST };
      return { ...metadata, config: { ...config, image } };
    };
    assert.deepEqual((await checkHere(world.host, of('1.0.9'), asked)).reasons, []);
    const { reasons } = await checkHere(world.host, of('1.1.0'), asked);
    assert.deepEqual(
      reasons.map(({ code }) => code),
      ['image'],
    );
  });
});
