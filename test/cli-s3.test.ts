/** A running VM goes between two hosts through a real S3 service. What moves is counted in the bucket itself, in bytes. */
import assert from 'node:assert/strict';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { MIB } from '../src/base/units.ts';
import { listAll } from '../src/store/objects/list-all.ts';
import { openObjects } from '../src/store/objects/open-objects.ts';
import { startCeph } from './support/ceph.ts';
import { objectOf, withHosts } from './support/cli-host.ts';
import { assertClock, assertGoesOn, bootCounter } from './support/counter-vm.ts';
import { eventually } from './support/eventually.ts';
import { s3Env, s3Url } from './support/strict-s3/s3-fixture.ts';
import { testKeys } from './support/strict-s3/strict-s3.ts';
import type { CliHost } from './support/cli-host.ts';
import type { S3Server } from './support/strict-s3/s3-server.ts';

const TIMEOUT_MS = 540_000;
/** So much of memory that no compression shrinks: an upload of it can be cut before its end. */
const NOISE_MIB = 48;
/** Enough to be worth going on with, and not nearly all. */
const PART_BYTES: number = 16 * MIB;

/** Bytes of all packs under a place in the bucket. */
async function packBytes(url: string): Promise<number> {
  const objects = await openObjects(s3Env(), url);
  let total = 0;
  for await (const { sizeBytes } of listAll(objects, 'packs/')) total += sizeBytes;
  return total;
}

/** Without the image, which goes first and whole: what is cut here is the memory. */
const teleport = (url: string): readonly string[] => ['teleport', 'dev', '--no-image', '--to', url];

async function sentBytes(
  host: CliHost,
  url: string,
  command: readonly string[] = teleport(url),
): Promise<number> {
  const { bytes } = await host.json(command);
  return Number(objectOf(bytes)['sent']);
}

async function packagesOf(host: CliHost, url: string): Promise<readonly string[]> {
  const { packages } = await host.json(['package', 'ls', '--store', url]);
  assert.ok(Array.isArray(packages));
  return packages.map((one) => String(objectOf(one)['id']));
}

/** What a package brought, and what it needs of older ones. */
async function sizesOf(
  host: CliHost,
  url: string,
  packageId: string,
): Promise<{ readonly ownBytes: number; readonly sharedBytes: number }> {
  const shown = await host.json(['package', 'show', packageId, '--store', url]);
  const sizes = objectOf(shown['sizes']);
  return { ownBytes: Number(sizes['ownBytes']), sharedBytes: Number(sizes['sharedBytes']) };
}

/** A command that is cut does not wait for the daemon to find its way back. */
async function untilIdle(host: CliHost): Promise<void> {
  const vms = async (): Promise<string> => JSON.stringify((await host.json(['ps']))['vms']);
  await eventually(async () => !(await vms()).includes('"busy":"'), 'the daemon is idle', vms);
}

async function filesBelow(directory: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

await test('teleport through S3', { timeout: TIMEOUT_MS }, async (t) => {
  const server: S3Server = await startCeph();
  try {
    await withHosts(async (make) => {
      const laptop = await make('laptop', { env: testKeys });
      const cloud = await make('cloud', { images: [], env: testKeys });
      const team = s3Url(server, 'team');
      let seen = await bootCounter(laptop);
      await laptop.sh('dev', `head -c ${NOISE_MIB * MIB} /dev/urandom > /dev/shm/noise`);
      const noise = await laptop.sh('dev', 'sha256sum /dev/shm/noise');
      let first = 0;

      await t.test('the bucket keeps what Kelpie rests on', async () => {
        assert.match((await laptop.must(['doctor', '--store', team])).stdout, /ok +store\.put-if-match: /);
      });

      await t.test('there: the same processes go on, on a host that fetches the image', async () => {
        first = await sentBytes(laptop, team, ['teleport', 'dev', '--to', team]);
        assert.equal(await packBytes(team), first);
        assert.ok(first > NOISE_MIB * MIB, `${first} bytes`);
        await cloud.must(['restore', 'dev', '--from', team]);
        await assertClock(cloud);
        seen = await assertGoesOn(cloud, seen);
        assert.equal(await cloud.sh('dev', 'sha256sum /dev/shm/noise'), noise);
      });

      await t.test('and back: only what changed moves, both ways', async () => {
        const second = await sentBytes(cloud, team);
        assert.equal(await packBytes(team), first + second);
        assert.ok(second < first / 4, `${second} bytes after ${first}`);
        const { downloadedBytes } = await laptop.json(['restore', 'dev', '--from', team]);
        assert.ok(Number(downloadedBytes) < first / 4, `${String(downloadedBytes)} bytes after ${first}`);
        await assertClock(laptop);
        seen = await assertGoesOn(laptop, seen);
        assert.equal(await laptop.sh('dev', 'sha256sum /dev/shm/noise'), noise);
      });

      for (const [how, prefix, sharedBytesMin] of [
        ['Ctrl-C', 'cut', 8 * MIB],
        // What arrived in the last seconds before it was not written down.
        ['kill -9 of the daemon', 'killed', 0],
      ] as const) {
        await t.test(`an upload that was cut by ${how} is taken up again, and the VM runs on`, async () => {
          const url = s3Url(server, prefix);
          const pid = await laptop.daemonPid();
          const command = laptop.start([...teleport(url)], { input: '' });
          await eventually(
            async () => (await packBytes(url)) > PART_BYTES,
            'a part of it is there',
            () => command.stderr,
          );
          if (prefix === 'cut') command.signal('SIGINT');
          else process.kill(pid, 'SIGKILL');
          assert.notEqual((await command.result).status, 0);
          await untilIdle(laptop);
          seen = await assertGoesOn(laptop, seen);
          const there = await packBytes(url);
          const sent = await sentBytes(laptop, url);
          assert.equal(await packBytes(url), there + sent);
          const [packageId = ''] = await packagesOf(laptop, url);
          const { sharedBytes } = await sizesOf(laptop, url, packageId);
          assert.ok(sharedBytes >= sharedBytesMin, `${there} bytes were there, ${sent} were sent`);
          await laptop.must(['restore', 'dev', '--from', url]);
          seen = await assertGoesOn(laptop, seen);
        });
      }

      await t.test('a download that was cut goes on where it stopped', async () => {
        const url = s3Url(server, 'cut');
        const packageId = String((await laptop.json(teleport(url)))['packageId']);
        const { ownBytes, sharedBytes } = await sizesOf(laptop, url, packageId);
        const command = cloud.start(['restore', 'dev', '--from', url], { input: '' });
        const downloads = join(cloud.home, 'downloads');
        const arrived = async (): Promise<number> => {
          const parts = (await filesBelow(downloads)).filter((path) => path.endsWith('/memory.part'));
          const sizes = await Promise.all(parts.map(async (path) => (await stat(path)).blocks * 512));
          return sizes.reduce((sum, size) => sum + size, 0);
        };
        await eventually(
          async () => (await arrived()) > PART_BYTES,
          'a part of it is here',
          () => command.stderr,
        );
        command.signal('SIGINT');
        assert.equal((await command.result).status, 130);
        await untilIdle(cloud);
        const { downloadedBytes } = await cloud.json(['restore', 'dev', '--from', url]);
        const wholeBytes = ownBytes + sharedBytes;
        assert.ok(
          Number(downloadedBytes) < wholeBytes - 2 * MIB,
          `${String(downloadedBytes)} of ${wholeBytes} bytes`,
        );
        await eventually(async () => (await filesBelow(downloads)).length === 0, 'nothing of it is left');
        seen = await assertGoesOn(cloud, seen);
      });

      await t.test('what is wrong with the store is told in a sentence, and the VM runs on', async () => {
        const to = (url: string): readonly string[] => ['teleport', 'dev', '--to', url];
        const missing = s3Url({ ...server, url: 's3://no-such-bucket' });
        assert.match(await cloud.fails('store_unavailable', to(missing)), /no bucket "no-such-bucket"/);
        assert.match(
          await cloud.fails('invalid_argument', to('s3://kelpie/team?colour=red')),
          /unknown name/,
        );
        const stranger = await make('stranger', { env: { ...testKeys, AWS_SECRET_ACCESS_KEY: 'wrong' } });
        const refused = ['restore', 'dev', '--from', team];
        assert.match(await stranger.fails('permission_denied', refused), /does not accept the keys/);
        const nobody = await make('nobody', { env: { ...testKeys, AWS_ACCESS_KEY_ID: '' } });
        assert.match(await nobody.fails('permission_denied', refused), /AWS_ACCESS_KEY_ID/);
        seen = await assertGoesOn(cloud, seen);
      });

      await t.test('the keys are written nowhere', async () => {
        for (const host of [laptop, cloud]) {
          const written = await filesBelow(host.home);
          for (const path of written.filter((one) => /\.(?:json|log)$/.test(one)))
            assert.ok(!(await readFile(path, 'utf8')).includes('kelpie-test'), path);
        }
      });
    });
  } finally {
    await server.close();
  }
});
