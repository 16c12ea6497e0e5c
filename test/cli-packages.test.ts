/** The packages of a store, and images, by the command line: listed, shown, verified, copied, removed; and a VM restored under another name and port. */
import assert from 'node:assert/strict';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { failure, objectOf, withHosts } from './support/cli-host.ts';
import { bootCounter } from './support/counter-vm.ts';

await test('packages and images', async (t) => {
  await withHosts(async (make, scratch) => {
    const laptop = await make('laptop');
    const cloud = await make('cloud', { images: [] });
    const store = join(scratch, 'store');
    await mkdir(store);
    await bootCounter(laptop);
    const teleported = await laptop.json(['teleport', 'dev', '--to', store, '-m', 'for the cloud']);
    const packageId = String(teleported['packageId']);
    const onStore = ['--store', store];

    await t.test('a package is listed and shown, by its id or the beginning of it', async () => {
      const listed = await laptop.must(['package', 'ls', ...onStore]);
      assert.match(listed.stdout, new RegExp(`${packageId.slice(0, 12)} .*dev .*at rest .*for the cloud`));
      const shown = await laptop.json(['package', 'show', packageId.slice(0, 8), ...onStore]);
      assert.equal(shown['id'], packageId);
      assert.equal(shown['isAtRest'], true);
      assert.equal(objectOf(shown['ownership'])['state'], 'at-rest');
      const unknown = await laptop.run(['package', 'show', 'ffffffff', ...onStore]);
      assert.match(failure('package_not_found', unknown, 'show'), /ffffffff/);
    });

    await t.test('a package is verified and copied, and nothing of it is swept or pruned', async () => {
      const verified = await laptop.must(['package', 'verify', ...onStore]);
      assert.match(verified.stdout, /1 package: all whole/);
      const archive = join(scratch, 'archive');
      await mkdir(archive);
      await laptop.must(['package', 'copy', packageId.slice(0, 8), '--from', store, '--to', archive]);
      await laptop.must(['package', 'verify', '--quick', '--store', archive]);
      const pruned = await laptop.must(['package', 'prune', '--keep-last', '1', '--dry-run', ...onStore]);
      assert.match(pruned.stdout, /kept: last, at-rest/);
      assert.equal((await laptop.json(['package', 'gc', '--grace', '0', ...onStore]))['removedPacks'], 0);
      failure('usage', await laptop.run(['package', 'prune', ...onStore]), 'prune');
    });

    await t.test(
      'between stores with other keys a package is sealed again, out of an encrypted one by a word',
      async () => {
        const sealed = join(scratch, 'sealed');
        await mkdir(sealed);
        await laptop.must(['key', 'init', '--sign']);
        await laptop.must(['store', 'init', sealed, '--self']);
        const copied = await laptop.must(['package', 'copy', packageId, '--from', store, '--to', sealed]);
        assert.match(copied.stdout, /sealed again: encrypted for 1 recipient, signed by ed25519:/);
        const listed = objectOf(await laptop.json(['package', 'ls', '--store', sealed]));
        assert.ok(Array.isArray(listed['packages']));
        const id = String(objectOf(listed['packages'][0])['id']);
        assert.notEqual(id, packageId);
        await laptop.must(['package', 'verify', '--store', sealed]);
        const plain = join(scratch, 'plain');
        await mkdir(plain);
        await laptop.must(['package', 'copy', packageId, '--from', store, '--to', plain]);
        const back = ['package', 'copy', id, '--from', sealed, '--to', plain];
        assert.match(failure('usage', await laptop.run(back), 'copy'), /whoever reads .* --decrypt/);
        // The same snapshot is there.
        assert.equal((await laptop.json([...back, '--decrypt']))['packageId'], packageId);
        // Into an empty place, by the same word or without it.
        for (const [name, words, told] of [
          ['twin', [], /is a new store, encrypted with the keys of .*sealed, for its recipients/],
          ['opened', ['--decrypt'], /is a new store, not encrypted\nsealed again: not encrypted/],
        ] as const) {
          const empty = join(scratch, name);
          await mkdir(empty);
          const asked = ['package', 'copy', id, '--from', sealed, '--to', empty, ...words];
          assert.match((await laptop.must(asked)).stdout, told);
        }
        await rm(join(laptop.home, 'keys'), { recursive: true });
      },
    );

    await t.test('a package that is a VM is not removed by mistake', async () => {
      failure('package_in_use', await laptop.run(['package', 'rm', packageId, ...onStore]), 'rm');
      assert.equal((await laptop.json(['package', 'show', packageId, ...onStore]))['id'], packageId);
    });

    await t.test('a VM comes under another name and with another port', async () => {
      const port = 20_000 + Math.floor(Math.random() * 20_000);
      const restore = ['restore', 'dev', '--from', store, '--name', 'twin', '--publish', `${port}:80`];
      const restored = objectOf((await cloud.json(restore))['vm']);
      assert.equal(restored['name'], 'twin');
      assert.deepEqual(restored['publish'], [{ hostPort: port, guestPort: 80 }]);
      await cloud.must(['exec', 'twin', '--', 'test', '-s', '/run/counter.json']);
    });

    await t.test('an image that a VM stands on stays, one that nobody needs goes', async () => {
      const digest = String(objectOf((await cloud.json(['inspect', 'twin']))['image'])['digest']);
      failure('image_in_use', await cloud.run(['image', 'rm', digest]), 'image rm');
      await cloud.must(['rm', '--force', 'twin']);
      await cloud.must(['image', 'rm', digest.slice(0, 12)]);
      assert.deepEqual((await cloud.json(['image', 'ls']))['images'], []);
      failure('image_not_found', await cloud.run(['up', 'next']), 'up');
    });

    await t.test('a package that nobody needs any more is removed', async () => {
      await laptop.must(['package', 'rm', packageId, ...onStore, '--force']);
      assert.deepEqual((await laptop.json(['package', 'ls', ...onStore]))['packages'], []);
      const again = await laptop.run(['restore', 'dev', '--from', store]);
      assert.notEqual(again.status, 0);
    });
  });
});
