/** Checkpoints through the real command line: an agent goes on in another VM, on another host, and remembers. */
import assert from 'node:assert/strict';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { objectOf, smallVm, withHosts } from './support/cli-host.ts';
import { askAgent, startAgent } from './support/example-agent.ts';

await test('an agent goes on in a new VM from its checkpoint', async (t) => {
  await withHosts(async (make, scratch) => {
    const laptop = await make('laptop');
    const store = join(scratch, 'store');
    await mkdir(store);
    await laptop.must(['up', 'dev', ...smallVm]);

    await t.test('nothing is taken of a VM that does not say what', async () => {
      const sentence = await laptop.fails('checkpoint_invalid', ['checkpoint', 'dev', '--store', store]);
      assert.match(
        sentence,
        /put a manifest into \/etc\/kelpie\/checkpoint\.d, or name its folders with --path/,
      );
      await laptop.fails('usage', ['checkpoint', 'dev', '--user', 'root']);
      await laptop.fails('checkpoint_invalid', ['checkpoint', 'dev', '--path', '/proc/self']);
      await laptop.fails('checkpoint_hook_failed', [
        'checkpoint',
        'dev',
        '--save',
        'exit 3',
        '--store',
        store,
      ]);
      assert.ok(!(await readdir(store)).includes('packages'), 'nothing is published');
    });

    await startAgent(laptop, 'dev');
    assert.equal(await askAgent(laptop, 'dev', 'my name is Ada'), 'hello, Ada');
    const bare = await make('bare', { images: [] });
    const { id: target } = await bare.json(['store', 'hosts', store, '--join']);
    const teleport = ['teleport', 'dev', '--to', store, '--no-image', '-m', 'first', '--for'];
    await t.test('its memory does not go where it could not go on', async () => {
      await laptop.fails('usage', ['teleport', 'dev', '--to', store, '--allow-checkpoint']);
      const unknown = await laptop.fails('host_not_found', [...teleport, 'nobody']);
      assert.match(unknown, /it knows \S+; run `kelpie store hosts \S+ --join` there\.$/);
      assert.match((await laptop.must(['store', 'hosts', store])).stdout, /qemu \d\S+ for x86_64 \(tcg/);
      const sentence = await laptop.fails('teleport_incompatible', [...teleport, String(target)]);
      assert.match(
        sentence,
        /its image base \S+ is not on .* Publish it with its image, .*\(--allow-checkpoint\) would need more there/,
      );
      assert.ok(!(await readdir(store)).includes('packages'), 'nothing is published');
    });
    const sent = await laptop.json([...teleport, String(target), '--allow-checkpoint']);
    const { packageId, checkpoint: taken } = sent;
    const { id: snapshotId } = objectOf(objectOf(taken)['snapshot']);
    assert.equal(await askAgent(laptop, 'dev', 'my name is Grace'), 'hello, Grace', 'the source goes on');

    await t.test('it is a snapshot like others, but no running memory', async () => {
      assert.match((await laptop.must(['log', 'dev'])).stdout, /first/);
      const local = ['restore', 'dev', '--snapshot', String(snapshotId)];
      await laptop.fails('name_taken', local);
      const sentence = await laptop.fails('image_not_found', [...local, '--name', 'no', '--arch', 'arm64']);
      assert.match(sentence, /kelpie image build base --arch arm64/);
      await laptop.fails('invalid_argument', ['package', 'export', '-', '--vm', `dev/${String(snapshotId)}`]);
      await laptop.fails('invalid_argument', ['restore', 'dev', '--replace', '--memory', '256']);
      await laptop.fails('invalid_argument', ['fork', 'dev', '--snapshot', String(snapshotId)]);
    });

    await t.test('on another architecture it remembers, and its files are there', async () => {
      const shown = ['package', 'show', String(packageId), '--store', store];
      const here = (await laptop.must(shown)).stdout;
      assert.match(here, /^ran on +qemu \d\S+ .*with tcg, portability arch$/m);
      assert.match(here, /^files .* frames: 1, .*\n(?!disk)(.*\n)*runs here +yes$/m);
      assert.match((await laptop.must(['package', 'ls', '--store', store])).stdout, / checkpoint +first$/m);
      const there = await laptop.must([...shown, '--for', String(target)]);
      assert.match(
        there.stdout,
        /^runs on .* no, by what it said .*: it boots afresh from an image base 1\.0, /m,
      );
      const cloud = await make('cloud', { images: ['arm64'] });
      const from = ['restore', '--from', store, '--package', String(packageId)];
      const restored = await cloud.must([...from, '--name', 'again', '--arch', 'arm64']);
      assert.match(restored.stdout, /^again is running again \(.*files .*reload /);
      assert.equal(await askAgent(cloud, 'again', 'what is my name?'), 'you are Ada');
      assert.equal(await askAgent(cloud, 'again', 'where are you?'), 'on aarch64, with small');
      assert.equal(
        await cloud.sh('again', 'ls /srv/agent/notes; cat /srv/agent/notes/0001.txt'),
        '0001.txt\n0002.txt\n0003.txt\nmy name is Ada\nhello, Ada',
      );
      assert.equal(await askAgent(laptop, 'dev', 'what is my name?'), 'you are Grace', 'two VMs, two lives');

      await cloud.sh('again', 'printf more > /srv/agent/notes/more');
      const second = await cloud.json(['checkpoint', 'again', '--store', store]);
      assert.ok(Number(second['newBytes']) < 40_000, `${String(second['newBytes'])} bytes are new`);
    });
  });
});
