import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeHosts, quiet } from '../../test/support/fake-hosts.ts';
import { teleportOut } from '../../test/support/fake-moves.ts';
import { refusedAs } from '../../test/support/store-fixture.ts';
import { KelpieError } from '../base/errors.ts';
import { imageByDigest } from '../image/image-store.ts';
import { ensureImage } from './image-transfer.ts';
import type { Supervisor } from '../daemon/supervisor.ts';
import type { OpenPackage } from '../store/teleport-storage.ts';

async function withPackage(
  act: (target: Supervisor, opened: OpenPackage, hosts: FakeHosts) => Promise<void>,
): Promise<void> {
  const hosts = await FakeHosts.create();
  const daemons: Supervisor[] = [];
  const start = async (name: string): Promise<Supervisor> => {
    const daemon = await hosts.start(name);
    daemons.push(daemon);
    return daemon;
  };
  try {
    const [source, target] = [await start('a'), await start('b')];
    const { packageId } = await teleportOut(source, await hosts.bringUp(source), hosts.storeUrl);
    const { storage } = await target.host.openStore(hosts.storeUrl);
    await act(target, await storage.download(packageId), hosts);
  } finally {
    for (const daemon of daemons) await daemon.end(new KelpieError('canceled', 'the daemon ends.'));
    await hosts.close();
  }
}

/** @returns what was told. */
async function ensure({ host }: Supervisor, opened: OpenPackage): Promise<readonly string[]> {
  const told: string[] = [];
  const listener = { progress: () => undefined, notice: (text: string) => void told.push(text) };
  await ensureImage(host, opened, { listener, signal: quiet.signal });
  return told;
}

test('a carried image is fetched once, and one of another patch that is here is told of', async () => {
  await withPackage(async (target, opened, hosts) => {
    const { image } = opened.package.metadata.config;
    await hosts.installImage('b', '1.0.9');
    assert.deepEqual(await ensure(target, opened), [
      `The snapshot was taken on image ${image.name} ${image.version}; this host has 1.0.9.`,
    ]);
    const { env, places } = target.host;
    assert.equal((await imageByDigest(env, places.home, image.digest)).version, image.version);
    assert.deepEqual(await ensure(target, opened), [], 'it is here now');
  });
});

test('nothing is told where there is no image of that name', async () => {
  await withPackage(async (target, opened) => {
    assert.deepEqual(await ensure(target, opened), []);
  });
});

test('an image that is neither here nor carried is refused, whatever others there are', async () => {
  await withPackage(async (target, opened, hosts) => {
    const without: OpenPackage = { ...opened, package: { ...opened.package, imageFiles: [] } };
    await refusedAs(ensure(target, without), 'image_not_found');
    await hosts.installImage('b', '1.0.9');
    await refusedAs(ensure(target, without), 'image_not_found');
  });
});
