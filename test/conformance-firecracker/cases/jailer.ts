import assert from 'node:assert/strict';
import { basename, join } from 'node:path';
import { fromUtf8 } from '../../../src/base/bytes.ts';
import { printed } from '../binary.ts';
import { Skipped } from '../case.ts';
import type { Case, World } from '../case.ts';
import { countingGuest } from '../counting-guest.ts';
import { done, object, state } from '../expect.ts';
import { letWork, loadRequest, MEMORY_MIB_SMALL, pause, resume, snapshot } from '../machine.ts';
import { writeFile } from '../under-test.ts';
import type { UnderTest } from '../under-test.ts';

const SOCKET = 'run/api.sock';
const PID_BYTES_MAX = 20;

/** The root of a jail, as documented: `<base>/<exec file name>/<id>/root`. */
function jailRoot(world: World, id: string): string {
  return join(world.folder, basename(world.options.binary), id, 'root');
}

function jailArguments(world: World, id: string): readonly string[] {
  const { uid } = world.outside.env.host;
  return [
    ...['--id', id, '--exec-file', world.options.binary, '--chroot-base-dir', world.folder],
    ...['--uid', String(uid), '--gid', String(process.getgid?.() ?? uid)],
  ];
}

/** Starts in a jail; paths of requests are then those inside it. @param more of the jailer's arguments. */
export async function launchJailed(
  world: World,
  id: string,
  more: readonly string[] = [],
): Promise<UnderTest> {
  const { jailer } = world.options;
  if (jailer === null) throw new Skipped('no --jailer');
  const root = jailRoot(world, id);
  const { env } = world.outside;
  await env.files.makeDirectory(root);
  await writeFile(env, join(root, 'kernel'), countingGuest());
  return await world.launchAs({
    program: jailer,
    args: [...jailArguments(world, id), ...more, '--', '--api-sock', `/${SOCKET}`],
    folder: root,
    socketPath: join(root, SOCKET),
  });
}

export async function startJailed(one: UnderTest): Promise<void> {
  done(await one.put('/machine-config', { vcpu_count: 1, mem_size_mib: MEMORY_MIB_SMALL }));
  done(await one.put('/boot-source', { kernel_image_path: '/kernel' }));
  done(await one.put('/actions', { action_type: 'InstanceStart' }));
}

export const jailerCases: readonly Case[] = [
  {
    name: 'the jailer makes the jail, and its process is Firecracker',
    run: async (world) => {
      const one = await launchJailed(world, 'jailed-1');
      assert.equal(object(await one.get('/'))['id'], 'jailed-1');
      const root = jailRoot(world, 'jailed-1');
      const { files } = world.outside.env;
      const program = join(root, basename(world.options.binary));
      assert.equal((await files.stat(program)).kind, 'file');
      const pid = await files.readFile(`${program}.pid`, PID_BYTES_MAX);
      assert.equal(Number(fromUtf8(pid)), one.pid);
    },
  },
  {
    name: 'paths in a jail begin at its root',
    run: async (world) => {
      const one = await launchJailed(world, 'jailed-1');
      await startJailed(one);
      await pause(one);
      const request = { snapshot_path: '/deep.state', mem_file_path: 'deep.memory' };
      done(await one.put('/snapshot/create', request));
      const { files } = world.outside.env;
      assert.equal((await files.stat(one.path('deep.memory'))).sizeBytes, MEMORY_MIB_SMALL * 2 ** 20);
      assert.equal((await files.stat(one.path('deep.state'))).kind, 'file');
    },
  },
  {
    name: 'a snapshot of one jail loads in another',
    run: async (world) => {
      const source = await launchJailed(world, 'jailed-1');
      await startJailed(source);
      await letWork(source);
      await pause(source);
      await snapshot(source, 'base');
      await source.kill();
      const target = await launchJailed(world, 'jailed-2');
      const { files } = world.outside.env;
      for (const file of ['base.state', 'base.memory'])
        await files.rename(source.path(file), target.path(file));
      done(await target.put('/snapshot/load', loadRequest('base')));
      await resume(target);
      assert.equal(await state(target), 'Running');
    },
  },
  {
    name: 'a jail that was not cleared away is refused',
    run: async (world) => {
      const one = await launchJailed(world, 'jailed-1');
      await one.kill();
      const { jailer } = world.options;
      const { exitCode } = await printed(world.outside.env, jailer ?? '', jailArguments(world, 'jailed-1'));
      assert.notEqual(exitCode, 0);
    },
  },
];
