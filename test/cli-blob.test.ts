/** Packages as files and through pipes, by the real command line, with a VM that runs. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createReadStream, existsSync, watch } from 'node:fs';
import { mkdir, open, readFile, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { assertClock, assertGoesOn, bootCounter, readCounter } from './support/counter-vm.ts';
import { failure, launcher, objectOf, withHosts } from './support/cli-host.ts';
import { eventually } from './support/eventually.ts';
import type { CliHost } from './support/cli-host.ts';
import type { CounterReport } from './support/counter-vm.ts';

async function idOf(host: CliHost, vm: string): Promise<string> {
  return String((await host.json(['inspect', vm]))['id']);
}

async function namesOf(host: CliHost): Promise<readonly string[]> {
  const { vms } = await host.json(['ps']);
  assert.ok(Array.isArray(vms));
  return vms.map((vm) => String(objectOf(vm)['name']));
}

/** Neither other VMs nor other blobs; a daemon that was killed is started to find out. */
async function untilOnly(host: CliHost, vms: readonly string[], blobs: number): Promise<void> {
  assert.deepEqual(await namesOf(host), vms);
  const left = async (): Promise<readonly string[]> => readdir(join(host.home, 'blobs'));
  await eventually(
    async () => (await left()).length === blobs,
    `${blobs} blobs are left`,
    async () => (await left()).join(' '),
  );
  assert.equal((await readdir(join(host.home, 'vms'))).length, vms.length);
}

async function blobCount(host: CliHost): Promise<number> {
  return (await readdir(join(host.home, 'blobs'))).length;
}

/** An import that has taken half of the file and waits for more. */
async function importHalf(host: CliHost, file: string): Promise<ReturnType<CliHost['start']>> {
  const before = await blobCount(host);
  const { size } = await stat(file);
  const running = host.start(['package', 'import', '-', '--name', 'half']);
  const { stdin } = running.child;
  assert.ok(stdin !== null);
  createReadStream(file, { end: Math.floor(size / 2) }).pipe(stdin, { end: false });
  await eventually(async () => (await blobCount(host)) > before, 'the import has begun');
  return running;
}

/** Kills the client or the daemon when the first bytes are written. */
async function killExport(
  host: CliHost,
  target: string,
  of: readonly string[],
  victim: 'client' | 'daemon',
): Promise<void> {
  const watcher = watch(dirname(target));
  const seen = once(watcher, 'change');
  const running = host.start(['package', 'export', target, ...of]);
  const outcome = running.result.catch((error: unknown) => String(error));
  await seen;
  watcher.close();
  if (victim === 'client') running.signal('SIGKILL');
  else await host.killDaemon();
  const result = await outcome;
  if (typeof result === 'string') assert.match(result, /SIGKILL/);
  else failure('daemon_unavailable', result, 'the export');
  assert.equal(existsSync(target), false, `the ${victim} was killed`);
}

await test('packages as files and through pipes', async (t) => {
  await withHosts(async (make, scratch) => {
    const [laptop, cloud] = [await make('laptop'), await make('cloud')];
    const before: CounterReport = await bootCounter(laptop);
    await laptop.must(['snapshot', 'dev', '-m', 'for export']);
    const file = join(scratch, 'dev.klp');

    await t.test('a snapshot goes to a file while its VM runs', async () => {
      const told = await laptop.must(['package', 'export', file, '--vm', 'dev']);
      assert.match(told.stdout, /^dev \(snapshot [0-9a-f-]{12}\) → .*dev\.klp \([\d.]+ MiB\)\n$/);
      assert.match(told.stderr, /^export dev\.klp .*\d %/m);
      const { size, mode } = await stat(file);
      assert.equal(mode & 0o777, 0o600);
      const again = JSON.parse(
        (await laptop.must(['package', '--json', 'export', file, '--vm', 'dev'])).stdout,
      ) as Record<string, unknown>;
      assert.deepEqual(
        [again['vmName'], again['version'], again['sizeBytes'], again['file']],
        ['dev', 2, size, file],
      );
      assert.deepEqual(
        (await readdir(scratch)).filter((name) => name.startsWith('dev.klp')),
        ['dev.klp'],
      );
      await assertGoesOn(laptop, before);
    });

    await t.test('through a pipe to another host, where the same processes go on', async () => {
      const line = '"$0" package export - --vm dev | "$0" --home "$1" package import -';
      const piped = await laptop.startProgram('bash', ['-o', 'pipefail', '-c', line, launcher, cloud.home])
        .result;
      assert.equal(piped.status, 0, piped.stderr);
      assert.match(piped.stdout, /^- → dev, a new VM with snapshot [0-9a-f-]{12}: kelpie restore dev\n$/);
      assert.equal(await cloud.state('dev'), 'stopped');
      assert.notEqual(await idOf(cloud, 'dev'), await idOf(laptop, 'dev'));
      await cloud.must(['restore', 'dev']);
      await assertGoesOn(cloud, before);
      await assertClock(cloud);
      assert.equal(Number((await cloud.json(['inspect', 'dev']))['generation']), 1);
      // The first is another VM, and runs on.
      await assertGoesOn(laptop, await readCounter(laptop));
      await cloud.must(['snapshot', 'dev', '-m', 'after the move']);
      await cloud.must(['restore', 'dev', '--replace']);
      await assertGoesOn(cloud, before);
    });

    await t.test('from a file, as a second VM of the same host', async () => {
      assert.match(await laptop.fails('name_taken', ['package', 'import', file]), /"dev".*already/);
      const { vm, snapshot } = objectOf(
        JSON.parse((await laptop.must(['package', '--json', 'import', file, '--name', 'copy'])).stdout),
      );
      assert.equal(objectOf(vm)['name'], 'copy');
      assert.equal(objectOf(snapshot)['message'], 'for export');
      await laptop.must(['stop', '--force', 'dev']);
      await laptop.must(['up', 'copy']);
      assert.equal(
        await laptop.sh('copy', 'cat /root/counter-disk.txt'),
        'written before the move',
        'a boot finds the disk that came with it',
      );
      await laptop.must(['restore', 'copy', '--replace']);
      const { counter, pid } = objectOf(JSON.parse(await laptop.sh('copy', 'cat /run/counter.json')));
      assert.ok(Number(counter) >= before.counter);
      assert.equal(pid, before.pid);
      await laptop.must(['rm', '--force', 'copy']);
      await laptop.must(['restore', 'dev']);
    });

    await t.test('version 1, without the disk', async () => {
      const old = join(scratch, 'old.klp');
      const asked = ['package', 'export', old, '--vm', 'dev', '--version', '1'];
      assert.match(await laptop.fails('usage', asked), /no disk.*--without-disk/);
      await laptop.must([...asked, '--without-disk']);
      const head = (await readFile(old)).subarray(0, 32);
      assert.equal(head.toString('latin1', 0, 4), 'KLP1');
      assert.equal(head.readUInt32LE(4), 1);
      const lengths = [8, 16, 24].map((at) => Number(head.readBigUInt64LE(at)));
      assert.equal(lengths[2], 192 * 1024 * 1024);
      assert.equal(
        (await stat(old)).size,
        lengths.reduce((sum, length) => sum + length, 32),
      );
      assert.match(
        await laptop.fails('invalid_argument', ['package', 'import', old, '--name', 'old']),
        /version 1, which has no disk.*--without-disk/,
      );
      await laptop.must(['package', 'import', old, '--name', 'old', '--without-disk']);
      await laptop.must(['rm', 'old']);
    });

    await t.test('wrong calls change nothing', async () => {
      const to = (target: string, ...more: readonly string[]): readonly string[] => [
        'package',
        'export',
        target,
        '--vm',
        'dev',
        ...more,
      ];
      await laptop.fails('usage', ['package', 'export', file, '--vm', 'dev/']);
      await laptop.fails('usage', to(file, '--version', '3'));
      await laptop.fails('usage', to(file, '--without-disk'));
      await laptop.fails('vm_not_found', ['package', 'export', file, '--vm', 'nobody']);
      await laptop.fails('snapshot_not_found', ['package', 'export', file, '--vm', 'dev/ffff-0']);
      await laptop.fails('invalid_argument', to(scratch));
      await laptop.fails('invalid_argument', to('/dev/null'));
      await laptop.fails('file_not_found', to(join(scratch, 'missing', 'dev.klp')));
      const { status, stdout } = await laptop.run(['package', '--json', 'export', '-', '--vm', 'dev']);
      assert.equal(status, 64);
      assert.match(stdout, /"code": "usage"/);
      await laptop.fails('file_not_found', ['package', 'import', join(scratch, 'missing.klp')]);
      await laptop.fails('invalid_argument', ['package', 'import', scratch]);
      await laptop.fails('package_corrupt', ['package', 'import', launcher]);
      await laptop.fails('package_corrupt', ['package', 'import', '-']);
      const endless = laptop.startProgram('bash', ['-c', 'cat /dev/zero | "$0" package import -', launcher]);
      failure('package_corrupt', await endless.result, 'an endless import');
      assert.deepEqual(await namesOf(laptop), ['dev']);
    });

    await t.test('a damaged or cut file makes no VM', async () => {
      const bad = join(scratch, 'bad.klp');
      const whole = await readFile(file);
      const blobs = await blobCount(laptop);
      const take = ['package', 'import', bad, '--name', 'bad'];
      for (const at of [5, 40, 300, Math.floor(whole.length / 2), whole.length - 1]) {
        await writeFile(bad, whole);
        const handle = await open(bad, 'r+');
        await handle.write(Buffer.from([(whole[at] ?? 0) ^ 0x55]), 0, 1, at);
        await handle.close();
        const { status, stderr } = await laptop.run(take);
        assert.ok([64, 69, 74].includes(status), stderr);
        assert.match(stderr, /\[(package_corrupt|package_too_new|limit_exceeded)\]\n$/);
        await truncate(bad, at);
        await laptop.fails('package_corrupt', take);
      }
      await untilOnly(laptop, ['dev'], blobs);
    });

    await t.test('a host without the image refuses before anything is written', async () => {
      const bare = await make('bare', { images: [] });
      const sentence = await bare.fails('image_not_found', ['package', 'import', file]);
      assert.match(sentence, /image/);
      await untilOnly(bare, [], 0);
    });

    await t.test(
      'an export that is killed leaves no file of that name, and the next one succeeds',
      async () => {
        const folder = join(scratch, 'killed');
        await mkdir(folder);
        const target = join(folder, 'dev.klp');
        for (const victim of ['client', 'daemon'] as const)
          await killExport(laptop, target, ['--vm', 'dev'], victim);
        const busy = async (): Promise<unknown> => (await laptop.json(['inspect', 'dev']))['busy'];
        await eventually(async () => (await busy()) === null, 'the VM is let go');
        await laptop.must(['package', 'export', target, '--vm', 'dev']);
        assert.equal((await stat(target)).size, (await stat(file)).size);
        assert.equal(await laptop.state('dev'), 'running');
      },
    );

    await t.test('an export whose reader goes away lets the VM go', async () => {
      const line = '"$0" package export - --vm dev | head -c 100000 | wc -c';
      const { stdout } = await laptop.startProgram('bash', ['-c', line, launcher]).result;
      assert.equal(stdout.trim(), '100000');
      await laptop.must(['snapshot', 'dev', '-m', 'at once']);
    });

    await t.test('an import that is killed makes no VM, and the next one succeeds', async () => {
      const blobs = await blobCount(cloud);
      for (const victim of ['client', 'daemon'] as const) {
        const running = await importHalf(cloud, file);
        const outcome = running.result.catch((error: unknown) => String(error));
        if (victim === 'client') running.signal('SIGKILL');
        else await cloud.killDaemon();
        await outcome;
        await untilOnly(cloud, ['dev'], blobs);
      }
      const interrupted = await importHalf(cloud, file);
      interrupted.signal('SIGINT');
      failure('canceled', await interrupted.result, 'the import');
      await untilOnly(cloud, ['dev'], blobs);
      await cloud.must(['package', 'import', file, '--name', 'half']);
      assert.deepEqual(await namesOf(cloud), ['dev', 'half']);
      await assertGoesOn(cloud, before);
    });

    await t.test('a package of a store, without a VM in between', async () => {
      const [store, target] = [join(scratch, 'store'), join(scratch, 'killed', 'packed.klp')];
      await mkdir(store);
      const { packageId } = await laptop.json(['teleport', 'dev', '--to', store]);
      const of = ['--store', store, '--package', String(packageId).slice(0, 10)];
      await laptop.fails('usage', ['package', 'export', target, '--package', 'ffff']);
      await laptop.fails('usage', ['package', 'export', target, '--vm', 'dev', ...of]);
      await laptop.fails('usage', ['package', 'export', target, '--vm', 'dev', '--store', store]);
      await laptop.fails('package_not_found', [
        'package',
        'export',
        target,
        '--store',
        store,
        '--package',
        'ffff',
      ]);
      for (const victim of ['client', 'daemon'] as const) await killExport(laptop, target, of, victim);

      const told = await laptop.must(['package', 'export', target, ...of]);
      assert.match(told.stdout, /^dev \(package [0-9a-f]{12}\) → .*packed\.klp \([\d.]+ MiB\)\n$/);
      const sealed = join(scratch, 'sealed');
      await mkdir(sealed);
      await cloud.must(['key', 'init']);
      await cloud.must(['store', 'init', sealed, '--self']);
      const line = 'head -c 300000 "$2" | "$0" --home "$1" package import - --name packed --store "$3"';
      const args = ['-c', line, launcher, cloud.home, target, sealed];
      failure('package_corrupt', await cloud.startProgram('bash', args).result, 'a pipe that is cut');
      assert.deepEqual((await cloud.json(['package', 'ls', '--store', sealed]))['packages'], []);
      await laptop.fails('permission_denied', ['package', 'import', target, '--store', sealed]);
      const made = await cloud.must(['package', 'import', target, '--name', 'packed', '--store', sealed]);
      assert.match(
        made.stdout,
        /→ package [0-9a-f]{12}, in which packed, a new VM, is at rest: kelpie restore/,
      );
      assert.match(made.stdout, /sent, encrypted for 1 recipient, not signed/);
      assert.match(made.stderr, /^import .*100 %/m);
      await cloud.must(['restore', 'packed', '--from', sealed]);
      await rm(join(cloud.home, 'keys'), { recursive: true });
      const { counter, pid } = objectOf(JSON.parse(await cloud.sh('packed', 'cat /run/counter.json')));
      assert.ok(Number(counter) > before.counter);
      assert.equal(pid, before.pid);
      assert.equal(await cloud.sh('packed', 'cat /root/counter-disk.txt'), 'written before the move');
      const shown = await laptop.json(['package', 'show', String(packageId), '--store', store]);
      assert.equal(objectOf(shown['ownership'])['state'], 'at-rest', 'who may run it did not change');
    });
  });
});
