/** Packages of an encrypted store from end to end: what the store sees, and who can read it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MIB, PAGE_BYTES } from '../../base/units.ts';
import type { Bytes } from '../../base/bytes.ts';
import { isKelpieError } from '../../base/errors.ts';
import type { ErrorCode } from '../../base/error-codes.ts';
import { pageBytes, PublishWorld } from '../../../test/support/publish-world.ts';
import type { PageContents } from '../../../test/support/publish-world.ts';
import { sampleMetadata } from '../../../test/support/sample-package.ts';
import { sampleStoreKeys } from '../../../test/support/sample-keys.ts';
import { openPackage } from '../packages/open-package.ts';
import type { PackageSealing } from '../packages/sealing.ts';
import { createPackageSealing } from './package-sealing.ts';
import type { SealingKeys } from './package-sealing.ts';
import { createSigningKey } from './signatures.ts';
import { rotated } from './store-keys.ts';
import type { StoreKeys } from './store-keys.ts';

const contents: PageContents = Array.from({ length: MIB / PAGE_BYTES }, (_, page) =>
  page % 5 === 0 ? 0 : page,
);
const changed: PageContents = contents.with(3, 5000).with(4, 0);

function sealingOf(world: PublishWorld, keys: Partial<SealingKeys>): PackageSealing {
  return createPackageSealing(world.env, { store: null, signingKey: null, trusted: null, ...keys });
}

async function inStore(store: StoreKeys, act: (world: PublishWorld) => Promise<void>): Promise<void> {
  await PublishWorld.with(async (world) => {
    world.sealing = sealingOf(world, { store });
    await act(world);
  });
}

async function publish(world: PublishWorld, memory: PageContents = contents): Promise<string> {
  return (await world.publish({ memory: await world.mappable(memory) })).id;
}

async function refused(code: ErrorCode, act: Promise<unknown>): Promise<void> {
  await assert.rejects(act, (error) => {
    assert.ok(isKelpieError(error, code), String(error));
    return true;
  });
}

async function objectsOf(world: PublishWorld): Promise<ReadonlyMap<string, Bytes>> {
  const found = new Map<string, Bytes>();
  for (const key of await world.keys('')) {
    const object = await world.objects.get(key);
    assert.ok(object !== null);
    found.set(key, object.bytes);
  }
  return found;
}

describe('packages of an encrypted store', () => {
  const store = sampleStoreKeys();

  it('are read back, and show nothing of what is in them', async () => {
    await inStore(store, async (world) => {
      const id = await publish(world);
      await world.expect(id, contents);
      const { guest, config, snapshotId, vmId } = sampleMetadata;
      // Long enough not to come about by chance.
      const secrets = [guest.bootId, config.image.digest, snapshotId, vmId, 'portability'];
      const objects = await objectsOf(world);
      assert.ok([...objects.keys()].some((key) => key.startsWith('packs/')));
      for (const [key, bytes] of objects) {
        const seen = Buffer.from(bytes);
        for (const secret of secrets) assert.ok(!seen.includes(secret), `${key} shows ${secret}`);
        for (const page of contents)
          assert.ok(
            page === 0 || !seen.includes(Buffer.from(pageBytes(page).subarray(100, 116))),
            `${key} shows page ${page}`,
          );
      }
    });
  });

  it('never seal the same pages to the same bytes', async () => {
    await inStore(store, async (world) => {
      await publish(world);
      const first = await objectsOf(world);
      world.places.files.clear();
      await publish(world);
      const pieces = new Set<string>();
      for (const [key, bytes] of await objectsOf(world)) {
        if (!key.startsWith('packs/')) continue;
        // Behind the header, which is in the clear.
        const piece = Buffer.from(bytes.subarray(64, 80)).toString('hex');
        assert.ok(!pieces.has(piece));
        pieces.add(piece);
      }
      assert.ok(pieces.size > [...first.keys()].filter((key) => key.startsWith('packs/')).length);
    });
  });

  it('are for nobody with other keys', async () => {
    await inStore(store, async (world) => {
      const id = await publish(world);
      for (const sealing of [sealingOf(world, { store: sampleStoreKeys() }), sealingOf(world, {})])
        await refused('permission_denied', openPackage(world.env, { objects: world.objects, sealing }, id));
    });
  });

  it('are read after a rotation, with pages that were sealed before it', async () => {
    await inStore(store, async (world) => {
      const memory = await world.mappable(contents);
      const before = (await world.publish({ memory })).id;
      const packs = new Set(await world.keys('packs/'));
      const after = rotated(world.env, store);
      world.sealing = sealingOf(world, { store: after });
      const overlaid = await world.overlay(memory, changed, new Set([3, 4]));
      const later = (await world.publish({ memory: overlaid })).id;
      const { packs: needed } = (await openPackage(world.env, world, later)).manifest;
      const sessions = new Set(needed.map(({ session }) => session));
      assert.equal(sessions.size, 2, 'new pages and old ones');
      assert.ok((await world.keys('packs/')).length > packs.size);
      await world.expect(before, contents);
      await world.expect(later, changed);
      // Who was left out of the rotation reads what they could read.
      world.sealing = sealingOf(world, { store });
      await world.expect(before, contents);
      await refused('permission_denied', openPackage(world.env, world, later));
    });
  });

  it('are refused with any pack in the place of another', async () => {
    await inStore(store, async (world) => {
      const memory = await world.mappable(contents);
      const id = (await world.publish({ memory })).id;
      world.places.files.clear();
      await world.publish({ memory });
      const packs = [...(await objectsOf(world))].filter(([key]) => key.startsWith('packs/'));
      const [[key, bytes] = ['', new Uint8Array(0)]] = packs;
      for (const [otherKey, other] of packs) {
        if (otherKey === key) continue;
        await world.objects.put(otherKey, bytes);
        await world.objects.put(key, other);
      }
      await refused('package_corrupt', world.expect(id, contents));
    });
  });
});

describe('signed packages', () => {
  it('are taken from whom the host trusts, and from nobody else', async () => {
    for (const store of [null, sampleStoreKeys()]) {
      const world = await PublishWorld.create();
      try {
        const signingKey = createSigningKey(world.env);
        world.sealing = sealingOf(world, { store, signingKey });
        const id = await publish(world);
        const trusted = new Set([signingKey.publicKey]);
        world.sealing = sealingOf(world, { store, trusted });
        const opened = await openPackage(world.env, world, id);
        assert.equal(opened.package.signedBy, signingKey.publicKey);
        await world.expect(id, contents);
        world.sealing = sealingOf(world, {
          store,
          trusted: new Set([createSigningKey(world.env).publicKey]),
        });
        await refused('permission_denied', openPackage(world.env, world, id));
        world.sealing = sealingOf(world, { store });
        const unsigned = await publish(world, changed);
        world.sealing = sealingOf(world, { store, trusted });
        await refused('permission_denied', openPackage(world.env, world, unsigned));
      } finally {
        await world.close();
      }
    }
  });
});
