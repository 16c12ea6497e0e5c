/** A running VM goes from host to host through a store, and what the store and the network of people do to it. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  copyFile,
  link,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { canonicalJson } from '../src/base/canonical-json.ts';
import { createNodeEnv } from '../src/env/node/env.ts';
import { encodeImageInfo, parseImageInfo, sealImageInfo } from '../src/image/image-info.ts';
import { openObjects } from '../src/store/objects/open-objects.ts';
import { openPackage } from '../src/store/packages/open-package.ts';
import { packKey } from '../src/store/packages/pack-name.ts';
import { plainSealing } from '../src/store/packages/sealing.ts';
import { listedFrames } from '../src/store/packages/stored-stream.ts';
import { failure, objectOf, withHosts } from './support/cli-host.ts';
import { assertClock, assertGoesOn, bootCounter } from './support/counter-vm.ts';
import { mountSmall } from './support/small-file-system.ts';
import { eventually } from './support/eventually.ts';
import { isQemu, processesOf } from './support/host-processes.ts';
import type { CliHost } from './support/cli-host.ts';
import type { ImageInfo } from '../src/image/image-info.ts';

/** Where one frame of everything that a restore reads is: the file, and a byte in it. */
interface StoredPart {
  readonly name: string;
  readonly path: string;
  readonly at: number;
}

async function partsOf(store: string, packageId: string): Promise<readonly StoredPart[]> {
  const env = createNodeEnv();
  const objects = await openObjects(env, store);
  const opened = await openPackage(env, { objects, sealing: plainSealing }, packageId);
  const { deviceState, memoryMap, diskMap } = opened.manifest.body;
  const frames = {
    'device-state': listedFrames(deviceState),
    'the map of the memory': listedFrames(memoryMap),
    memory: (await opened.map('memory')).frames,
    'the map of the disk': listedFrames(diskMap),
    disk: (await opened.map('disk')).frames,
  };
  const parts = Object.entries(frames).map(([name, [frame]]) => {
    assert.ok(frame !== undefined, name);
    return { name, path: join(store, packKey(frame.pack)), at: frame.offset };
  });
  return [...parts, { name: 'manifest', path: join(store, 'packages', packageId), at: 100 }];
}

/** Changes one byte; changing it twice puts it back. */
async function flipByte({ path, at }: StoredPart): Promise<void> {
  const file = await open(path, 'r+');
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, at);
  byte[0] = (byte[0] ?? 0) ^ 0x10;
  await file.write(byte, 0, 1, at);
  await file.close();
}

/** A copy of a host's base image that says that it is another one, correctly sealed. */
async function installVariant(from: CliHost, to: CliHost, changes: Partial<ImageInfo>): Promise<void> {
  const { compute } = createNodeEnv();
  const [digest = ''] = await readdir(join(from.home, 'images'));
  const source = join(from.home, 'images', digest);
  const { digest: _, ...info } = parseImageInfo(compute, await readFile(join(source, 'image.json')));
  const sealed = sealImageInfo(compute, { ...info, ...changes });
  const target = join(to.home, 'images', sealed.digest);
  await mkdir(target, { mode: 0o700 });
  for (const { name } of sealed.files) await link(join(source, name), join(target, name));
  await writeFile(join(target, 'image.json'), encodeImageInfo(sealed), { mode: 0o600 });
}

/** Blobs of what failed are collected when the command has been answered. */
async function assertNothingCame(host: CliHost): Promise<void> {
  assert.deepEqual((await host.json(['ps']))['vms'], []);
  for (const folder of ['blobs', 'run', 'operations']) {
    const found = (): Promise<readonly string[]> => readdir(join(host.home, folder));
    await eventually(async () => (await found()).length === 0, `${folder} is empty`, found);
  }
  assert.deepEqual((await processesOf(host.home)).filter(isQemu), []);
}

await test('teleport', async (t) => {
  await withHosts(async (make, scratch) => {
    const laptop = await make('laptop');
    const store = join(scratch, 'store');
    await mkdir(store);
    let seen = await bootCounter(laptop);
    const cloud = await make('cloud', { images: [] });
    let packageId = '';

    await t.test('a store that cannot take it: the VM runs on', async () => {
      const teleport = (to: string, ...options: readonly string[]): string[] => [
        'teleport',
        'dev',
        '--to',
        to,
        ...options,
      ];
      assert.match(await laptop.fails('store_unavailable', teleport('/no/such/store')), /\/no\/such\/store/);
      await laptop.fails('usage', ['teleport', 'dev']);
      const small = await mountSmall(join(scratch, 'small'));
      try {
        assert.match(await laptop.fails('disk_full', teleport(small.path, '--no-image')), /small/);
        seen = await assertGoesOn(laptop, seen);
        await laptop.fails('disk_full', teleport(small.path));
        await small.makeReadOnly();
        assert.match(await laptop.fails('store_not_writable', teleport(small.path, '--no-image')), /small/);
      } finally {
        await small.unmount();
      }
      seen = await assertGoesOn(laptop, seen);
      assert.deepEqual(await readdir(join(laptop.home, 'operations')), []);
    });

    await t.test('there: the same processes go on, on a host that fetches the image', async () => {
      const out = await laptop.must(['teleport', 'dev', '--to', store, '-m', 'to the cloud']);
      assert.match(
        out.stdout,
        /^dev is at rest in \S+ as package [0-9a-f]{12} \(.*\)\non another host: kelpie restore dev --from \S+\n$/,
      );
      for (const phase of ['check', 'image', 'capture', 'publish', 'announce', 'commit'])
        assert.match(out.stderr, new RegExp(`^${phase} …$`, 'm'));
      assert.match(
        (await cloud.must(['package', 'ls', '--store', store])).stdout,
        /dev +[\d.]+ MiB +.* at rest +to the cloud/,
      );
      const back = await cloud.must(['restore', 'dev', '--from', store]);
      assert.match(back.stdout, /^dev is running again \(.*\)\n$/);
      await assertClock(cloud);
      seen = await assertGoesOn(cloud, seen);
    });

    await t.test('the host that it left refuses to run it, whatever it is asked', async () => {
      assert.match((await laptop.must(['ps'])).stdout, /dev +departed to /);
      for (const args of [
        ['up', 'dev'],
        ['restore', 'dev'],
        ['restore', 'dev', '--replace'],
        ['exec', 'dev', '--', 'true'],
        ['resume', 'dev'],
        ['snapshot', 'dev'],
        ['teleport', 'dev', '--to', store],
      ])
        assert.match(await laptop.fails('vm_departed', args), /"dev"/, args.join(' '));
      assert.match(await laptop.fails('vm_owned_elsewhere', ['restore', 'dev', '--from', store]), /runs on/);
      assert.equal(
        ((await laptop.json(['log', 'dev']))['snapshots'] as unknown[]).length,
        1,
        'its snapshots are listed',
      );
    });

    await t.test('and back', async () => {
      const done = await cloud.json(['teleport', 'dev', '--to', store]);
      packageId = String(done['packageId']);
      const restored = await laptop.json(['restore', 'dev', '--from', store]);
      assert.equal(objectOf(restored['vm'])['state'], 'running');
      await assertClock(laptop);
      seen = await assertGoesOn(laptop, seen);
      await cloud.must(['rm', 'dev']);
      await assertNothingCame(cloud);
      assert.match(
        await cloud.fails('vm_owned_elsewhere', ['restore', '--package', packageId, '--from', store]),
        /laptop|runs on|older/,
      );
    });

    await t.test('what is damaged in the store is refused, named, and leaves nothing', async () => {
      packageId = String((await laptop.json(['teleport', 'dev', '--to', store]))['packageId']);
      const restore = ['restore', 'dev', '--from', store];
      const refuses = async (what: string): Promise<void> => {
        assert.match(
          await cloud.fails('package_corrupt', restore),
          /damaged|digest|cannot be used|corrupt|not in the store any more/,
          what,
        );
        await assertNothingCame(cloud);
        // What had arrived whole would not be read again.
        await rm(join(cloud.home, 'downloads', packageId), { recursive: true, force: true });
      };
      const parts = await partsOf(store, packageId);
      for (const part of parts) {
        await flipByte(part);
        await refuses(part.name);
        await flipByte(part);
      }
      for (const { name, path, at } of parts) {
        await copyFile(path, join(scratch, 'whole'));
        await truncate(path, at + 1);
        await refuses(`${name}, cut`);
        await rename(join(scratch, 'whole'), path);
      }
      const path = parts.find(({ name }) => name === 'memory')?.path ?? assert.fail('no memory');
      await rename(path, join(scratch, 'pack'));
      await refuses('a missing pack');
      await rename(join(scratch, 'pack'), path);
    });

    await t.test('a package or a store of a newer format is refused as such', async () => {
      const manifest = objectOf(JSON.parse(await readFile(join(store, 'packages', packageId), 'utf8')));
      const newer = canonicalJson({ ...manifest, formatVersion: 4 });
      const id = createHash('sha256').update(newer).digest('hex');
      await writeFile(join(store, 'packages', id), newer);
      assert.match(
        await cloud.fails('package_too_new', ['restore', '--package', id, '--from', store]),
        /format 4.*update/,
      );
      const marker = await readFile(join(store, 'store.json'), 'utf8');
      await writeFile(join(store, 'store.json'), marker.replace('"formatVersion":2', '"formatVersion":3'));
      await cloud.fails('package_too_new', ['restore', 'dev', '--from', store]);
      await writeFile(join(store, 'store.json'), marker);
      await cloud.must(['package', 'rm', id, '--store', store]);
    });

    await t.test('what does not fit this host is told before anything is claimed', async () => {
      for (const [vm, wanted] of [['nobody', /nobody/]] as const)
        assert.match(await cloud.fails('vm_not_found', ['restore', vm, '--from', store]), wanted);
      await cloud.fails('package_not_found', ['restore', '--package', 'ab'.repeat(32), '--from', store]);
      await laptop.must(['restore', 'dev', '--from', store]);
      const bare = join(scratch, 'bare');
      await mkdir(bare);
      await laptop.must(['teleport', 'dev', '--to', bare, '--no-image']);
      const other = await make('other', { images: [] });
      assert.match(
        await other.fails('image_not_found', ['restore', 'dev', '--from', bare]),
        /image base 1\.\d+\.\d+ is not on this host/,
      );
      assert.match(await other.fails('image_not_found', ['up', 'x']), /kelpie image build/);
      await installVariant(laptop, other, { architecture: 'arm64' });
      await other.fails('image_not_found', ['restore', 'dev', '--from', bare]);
      await installVariant(laptop, other, { version: '1.9.0' });
      assert.match(
        await other.fails('image_not_found', ['restore', 'dev', '--from', bare]),
        /image base 1\.0\.\d+ is not on this host/,
      );
      await assertNothingCame(other);
      await laptop.must(['restore', 'dev', '--from', bare]);
      seen = await assertGoesOn(laptop, seen);
    });

    await t.test('two hosts want the same VM: one gets it', async () => {
      await laptop.must(['teleport', 'dev', '--to', store]);
      const restore = ['restore', 'dev', '--from', store];
      const [one, two] = await Promise.all([laptop.run(restore), cloud.run(restore)]);
      const [winner, loser] = one.status === 0 ? [laptop, two] : [cloud, one];
      assert.match(failure('vm_owned_elsewhere', loser, 'the second'), /runs on|taken by another host/);
      seen = await assertGoesOn(winner, seen);
      const gone = winner === laptop ? cloud : laptop;
      assert.notEqual((await gone.json(['ps']))['vms'], ['running']);
      if (winner === laptop) await assertNothingCame(cloud);
    });
  });
});
