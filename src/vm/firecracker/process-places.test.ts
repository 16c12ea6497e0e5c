import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { isKelpieError } from '../../base/errors.ts';
import { createNodeEnv } from '../../env/node/env.ts';
import { commandLine } from './command-line.ts';
import type { JailOptions } from './command-line.ts';
import { processPlaces, show } from './process-places.ts';

const ID = '4fb4e276-326e-411b-a547-0e447bb287a5';

test('a free process has its VM’s folder as its world, and tells where it runs', () => {
  const places = processPlaces('/home/u/.kelpie/run/4fb4e276326e', null);
  assert.equal(places.root, '/home/u/.kelpie/run/4fb4e276326e');
  assert.equal(places.api, `${places.root}/api.sock`);
  assert.deepEqual(commandLine('/usr/bin/firecracker', ID, places, null), {
    command: '/usr/bin/firecracker',
    args: ['--id', ID, '--api-sock', `${places.root}/api.sock`],
  });
});

test('a caged process sees the root that its jailer makes, by the jailer’s rules', () => {
  const jail: JailOptions = {
    program: '/usr/bin/jailer',
    uid: 123,
    gid: 100,
    cgroups: ['cpu.max=50000 100000', 'memory.max=1G'],
    parentCgroup: 'vms',
    networkNamespace: '/var/run/netns/vms',
  };
  const places = processPlaces('/k/run/a', {
    program: '/opt/fc/firecracker-v1.16.1',
    name: '4fb4e276326e',
  });
  assert.equal(places.root, '/k/run/a/jail/firecracker-v1.16.1/4fb4e276326e/root');
  assert.equal(places.console, '/k/run/a/console.log', 'what the jailer says is not in the cage');
  const { command, args } = commandLine('/opt/fc/firecracker-v1.16.1', ID, places, jail);
  assert.equal(command, '/usr/bin/jailer');
  assert.equal(
    args.join(' '),
    '--id 4fb4e276326e --exec-file /opt/fc/firecracker-v1.16.1 --uid 123 --gid 100 --chroot-base-dir /k/run/a/jail --cgroup-version 2 ' +
      '--cgroup cpu.max=50000 100000 --cgroup memory.max=1G --parent-cgroup vms --netns /var/run/netns/vms -- --api-sock api.sock',
  );
});

test('a folder whose sockets’ paths would be too long is refused before anything is made', () => {
  const longest = `/${'x'.repeat(107 - '/vsock.sock'.length - 1)}`;
  assert.doesNotThrow(() => processPlaces(longest, null));
  for (const directory of [`${longest}x`, `/${'ä'.repeat(50)}`]) {
    assert.throws(
      () => processPlaces(directory, null),
      (error) => isKelpieError(error, 'invalid_argument') && error.message.includes('KELPIE_HOME'),
    );
  }
});

test('a file that the VM needs and that is missing is told by its path, and nothing is shown', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'kelpie-places-'));
  try {
    const places = processPlaces(directory, null);
    const path = join(directory, 'gone');
    await assert.rejects(
      show(createNodeEnv(), places, { name: 'data', path, access: 'write' }),
      (error) => isKelpieError(error, 'file_not_found') && error.message.includes(path),
    );
    assert.deepEqual(await readdir(directory), []);
  } finally {
    await rm(directory, { recursive: true });
  }
});
