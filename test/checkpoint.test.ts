/** Checkpoints with the real guest agent and the real tar of this machine: what comes back, what is sent, and what is refused. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { appendFile, mkdir, open, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { promisify } from 'node:util';
import { CheckpointWorld, describeTree } from './support/checkpoint-world.ts';
import { is } from './support/fake-guest.ts';
import type { ErrorCode } from '../src/base/error-codes.ts';
import type { Supervisor } from '../src/daemon/supervisor.ts';
import type { ManagedVm } from '../src/teleport/managed-vm.ts';

const run = promisify(execFile);

/** Links, modes, times, attributes, names and sizes of every kind that there is. */
const TREE = String.raw`
mkdir -p deep/er 'with space' empty
printf one > deep/one; ln deep/one deep/er/twin; ln -s ../one deep/er/link; ln -s /nowhere/at/all dangling
chmod 4751 deep/one; chmod 1777 empty; printf 'odd' > "$(printf 'n\377\001')"; mkfifo pipe
python3 -c "import os; os.setxattr('deep/one', 'user.note', b'x=1\n\xff'); open('sparse','wb').truncate(300000); open('large','wb').write(os.urandom(700001))"
touch -d '2001-02-03 04:05:06.789012345' deep/one deep; touch -h -d '1999-01-01' dangling; : > nothing
`;

suite('checkpoints', { timeout: 240_000 }, () => {
  let world: CheckpointWorld;
  let host: Supervisor;
  let vm: ManagedVm;
  before(async () => {
    world = await CheckpointWorld.create();
    host = await world.start('a');
    vm = await world.hosts.bringUp(host);
    await mkdir(world.workspace);
  });
  after(async () => world[Symbol.asyncDispose]());

  const refused = async (
    code: ErrorCode,
    why: RegExp,
    application: Readonly<Record<string, unknown>>,
  ): Promise<void> => {
    const left = await leftBehind(world, host, vm);
    await assert.rejects(world.take(host, vm, application, { storeUrl: world.hosts.storeUrl }), (error) => {
      assert.ok(is(code)(error) && error instanceof Error, String(error));
      assert.match(error.message, why);
      assert.match(error.message, /\.$/);
      return true;
    });
    assert.deepEqual(await leftBehind(world, host, vm), left, 'nothing of it is left');
    assert.equal(vm.record.state, 'running');
  };

  test('bring back files, links, owners, times, attributes, variables and state', async () => {
    await run('sh', ['-c', TREE], { cwd: world.workspace });
    const server = createServer().listen(join(world.workspace, 'socket'));
    const pidFile = join(world.folder, 'pid');
    const reloaded = join(world.folder, 'reloaded');
    await writeFile(pidFile, `${process.pid}\n`);
    const tree = await describeTree(world.workspace);
    const application = {
      save: ['printf', 'the state'],
      reload: ['sh', '-c', `cat > ${reloaded}; printf "%s" "$PATH" >> ${reloaded}`],
      environment: ['PATH', 'NOT_THERE'],
      pidFile,
    };
    const taken = await world.take(host, vm, application, { storeUrl: world.hosts.storeUrl });
    assert.equal(taken.entryCount, tree.length);
    assert.equal(vm.record.snapshotId, null, 'where the VM stands is not changed by a copy');
    server.close();
    await rm(world.workspace, { recursive: true });

    const other = await world.start('b');
    await world.hosts.installImage('b');
    const { vm: again } = await world.restore(other, taken.published?.id ?? '');
    assert.notEqual(again.id, vm.id);
    assert.deepEqual(await describeTree(world.workspace), tree);
    const note = await run('python3', [
      '-c',
      `import os; print(os.getxattr('${world.workspace}/deep/one', 'user.note'))`,
    ]);
    assert.equal(note.stdout, "b'x=1\\n\\xff'\n");
    assert.equal(await readFile(reloaded, 'utf8'), `the state${process.env['PATH'] ?? ''}`);

    const copy = other.registry.require(again.id);
    const second = await world.take(other, copy, application, { storeUrl: world.hosts.storeUrl });
    assert.equal(second.newBytes, 0, 'what was restored is known');
  });

  test('send what changed: less than 3 % of the bytes, when 1 % did', async () => {
    const figures = await oneChangedPercent(world, host, vm, 12_000_000);
    for (const [what, share] of Object.entries(figures)) assert.ok(share < 0.03, `${what}: ${share}`);
  });

  test('are refused when a command fails, hangs, floods or forks, and the VM goes on', async () => {
    const shell = (script: string): Readonly<Record<string, unknown>> => ({
      save: ['sh', '-c', script],
      timeoutMs: 1000,
    });
    await refused(
      'checkpoint_hook_failed',
      /"agent" ended with status 3: no space left/,
      shell('echo no space left >&2; exit 3'),
    );
    await refused(
      'checkpoint_hook_failed',
      /"agent" was ended after 1 s/,
      shell('trap "" TERM; sleep 60 & wait; sleep 60'),
    );
    await refused('checkpoint_hook_failed', /wrote more than 16 MiB/, { save: ['cat', '/dev/zero'] });
    await refused('checkpoint_hook_failed', /was ended by signal 9/, shell('kill -9 $$'));
    await refused('checkpoint_hook_failed', /could not be started/, { save: ['/nonexistent/program'] });
    await refused('checkpoint_hook_failed', /could not be started/, { save: ['true'], user: 'nobody-there' });
    const forked = await world.take(host, vm, shell('sleep 3 & sleep 3 & printf done'));
    assert.equal(forked.published, null, 'children that hold its output keep nobody waiting');
  });

  test('are refused when the workspace is not what it says', async () => {
    await symlink('/etc', join(world.folder, 'link'));
    await refused('checkpoint_invalid', /leads through a link, .*\/link: declare/, {
      workspace: [join(world.folder, 'link', 'apt')],
    });
    await refused('checkpoint_invalid', /leads through a link/, { workspace: [join(world.folder, 'link')] });
    await refused('checkpoint_invalid', /is not there/, { workspace: [join(world.folder, 'none')] });
    await refused('checkpoint_invalid', /is no folder/, {
      workspace: [join(world.workspace, 'nothing', 'x')],
    });
    const server = createServer().listen(join(world.folder, 'socket'));
    await refused('checkpoint_invalid', /neither a folder nor a file/, {
      workspace: [join(world.folder, 'socket')],
    });
    server.close();
    await refused('checkpoint_invalid', /none is not there/, {
      environment: ['A'],
      pidFile: join(world.folder, 'none'),
    });
  });

  test('are refused when files change each time that they are read', async () => {
    const path = join(world.workspace, 'growing');
    await writeFile(path, randomBytes(8_000_000));
    const over = new AbortController();
    const growing = (async () => {
      while (!over.signal.aborted) await appendFile(path, 'more');
    })();
    await refused('checkpoint_files_changed', /changed each of the 3 times/, {});
    over.abort();
    await growing;
    await rm(path);
  });

  test('are refused on a host that has too small a disk, or no image for them, and leave no VM', async () => {
    const large = await open(join(world.workspace, 'too-large'), 'w');
    await large.truncate(80_000_000);
    await large.close();
    const { published } = await world.take(host, vm, {}, { storeUrl: world.hosts.storeUrl });
    const other = await world.start('c');
    await assert.rejects(world.restore(other, published?.id ?? ''), is('image_not_found'));
    await world.hosts.installImage('c');
    await assert.rejects(world.restore(other, published?.id ?? ''), (error) => {
      assert.ok(is('limit_exceeded')(error) && error instanceof Error);
      assert.match(error.message, /too small for the workspace of .*--disk/);
      return true;
    });
    await assert.rejects(
      world.restore(other, published?.id ?? '', { architecture: 'arm64' }),
      is('backend_unavailable'),
    );
    assert.deepEqual(other.registry.all, []);
    await rm(join(world.workspace, 'too-large'));
  });

  test('whose application does not reload leave no VM', async () => {
    const application = { save: ['printf', 'x'], reload: ['sh', '-c', 'cat >&2; exit 4'] };
    const { published } = await world.take(host, vm, application, { storeUrl: world.hosts.storeUrl });
    const other = await world.start('d');
    await world.hosts.installImage('d');
    await assert.rejects(world.restore(other, published?.id ?? ''), (error) => {
      assert.ok(is('checkpoint_hook_failed')(error) && error instanceof Error);
      assert.match(error.message, /not reloaded: the command of "agent" ended with status 4: x/);
      return true;
    });
    assert.deepEqual(other.registry.all, []);
    assert.deepEqual(await readdir(join(world.hosts.home('d'), 'vms')), []);
  });
});

/** What a checkpoint may leave: snapshots, packages, journal entries, page files. */
async function leftBehind(world: CheckpointWorld, { host }: Supervisor, vm: ManagedVm): Promise<unknown> {
  const folder = (name: string): Promise<readonly string[]> => readdir(join(world.hosts.home('a'), name));
  return {
    snapshots: await host.snapshots.ids(vm.id),
    packages: (await (await host.openStore(world.hosts.storeUrl)).storage.list()).length,
    operations: await folder('operations'),
    blobs: (await folder('blobs')).filter((name) => name.endsWith('.pages')),
  };
}

/** Which share of the bytes is sent again when one in a hundred changed, by how they lie and change. */
async function oneChangedPercent(
  world: CheckpointWorld,
  host: Supervisor,
  vm: ManagedVm,
  sizeBytes: number,
): Promise<Readonly<Record<string, number>>> {
  const workspace = join(world.folder, 'figures');
  const figures: Record<string, number> = {};
  const measure = async (what: string, change: () => Promise<void>): Promise<void> => {
    const application = { workspace: [workspace] };
    await world.take(host, vm, application, { storeUrl: world.hosts.storeUrl });
    await change();
    const { published } = await world.take(host, vm, application, { storeUrl: world.hosts.storeUrl });
    assert.ok(published !== null && published.sizes.ownBytes > 0);
    figures[what] = published.sizes.ownBytes / sizeBytes;
  };
  await mkdir(workspace);
  const large = join(workspace, 'large');
  const bytes = randomBytes(sizeBytes);
  await writeFile(large, bytes);
  await measure('pages of a large file', async () => {
    for (let page = 0; page < sizeBytes / 4096; page += 100) randomBytes(4096).copy(bytes, page * 4096);
    await writeFile(large, bytes);
  });
  await measure('an insertion into a large file', async () => {
    const middle = bytes.subarray(0, sizeBytes / 3);
    await writeFile(
      large,
      Buffer.concat([middle, randomBytes(sizeBytes / 100), bytes.subarray(sizeBytes / 3)]),
    );
  });
  await rm(large);
  const small = Array.from({ length: sizeBytes / 6000 }, (_, index) => join(workspace, `small-${index}`));
  for (const path of small) await writeFile(path, randomBytes(6000));
  await measure('small files', async () => {
    for (let index = 0; index < small.length; index += 100)
      await writeFile(small[index] ?? '', randomBytes(6000));
  });
  await rm(workspace, { recursive: true });
  return figures;
}
