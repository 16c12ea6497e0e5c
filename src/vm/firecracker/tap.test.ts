import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { isKelpieError } from '../../base/errors.ts';
import type { Env } from '../../env/env.ts';
import { createNodeEnv } from '../../env/node/env.ts';
import { FakePrograms } from '../../../test/support/fake-programs.ts';
import { nameOnHost } from './process-places.ts';
import { createVmTap, removeVmTap } from './tap.ts';

const node = createNodeEnv();

let runDirectory: string;
/** Of the device that belongs to it. */
let name: string;
/** The devices of the host. */
let devices: Set<string>;
let complaint: string | null;
let env: Env;
let programs: FakePrograms;

/** `ip`, as far as it is asked. */
function ip(whole: string): { readonly code: number; readonly stderr?: string } {
  const line = whole.replace(/^nsenter --net=\S+ /, '');
  const device = line.split(' ').at(line.startsWith('ip tuntap') ? 4 : line.includes(' set ') ? 4 : -1) ?? '';
  if (line.startsWith('ip link show')) return { code: devices.has(device) ? 0 : 1, stderr: 'does not exist' };
  if (complaint !== null && !line.includes('delete')) return { code: 2, stderr: complaint };
  if (line.startsWith('ip tuntap add')) devices.add(device);
  if (line.startsWith('ip link delete')) devices.delete(device);
  return { code: 0 };
}

before(async () => {
  runDirectory = await mkdtemp(join(tmpdir(), 'kelpie-tap-'));
  name = `kelpie${nameOnHost(node.compute, runDirectory).slice(0, 9)}`;
});
after(async () => await rm(runDirectory, { recursive: true }));
beforeEach(async () => {
  for (const file of await readdir(runDirectory)) await rm(join(runDirectory, file));
  devices = new Set();
  complaint = null;
  programs = new FakePrograms(ip);
  env = { ...node, processes: { ...node.processes, spawn: (options) => programs.spawn(options) } };
});

const create = (bridge: string | null, namespace: string | null = null): Promise<string> =>
  createVmTap(env, { runDirectory, bridge, ownerUid: 123, namespace });

test('a device is made for the user that attaches to it, joins its bridge, and goes with the VM', async () => {
  assert.equal(await create('br0'), name);
  assert.ok(name.length <= 15, 'the kernel takes no longer names');
  assert.deepEqual(programs.started.slice(1), [
    `ip tuntap add dev ${name} mode tap user 123`,
    `ip link set dev ${name} master br0`,
    `ip link set dev ${name} up`,
  ]);
  await removeVmTap(env, runDirectory);
  assert.deepEqual([...devices], []);
});

test('a VM without a device has none to remove', async () => {
  await removeVmTap(env, runDirectory);
  assert.deepEqual(programs.started, []);
});

test('a name that is taken is told, and the other’s device stays', async () => {
  devices.add(name);
  await assert.rejects(
    create(null),
    (error) => isKelpieError(error, 'name_taken') && error.message.includes(name),
  );
  await removeVmTap(env, runDirectory);
  assert.deepEqual([...devices], [name]);
});

test('a device is made and removed where its VM looks for it', async () => {
  await create(null, '/run/netns/vms');
  await removeVmTap(env, runDirectory);
  assert.ok(programs.started.every((line) => line.startsWith('nsenter --net=/run/netns/vms ip ')));
  assert.deepEqual([...devices], []);
});

test('a device that was made by a daemon which was killed before it was told is found', async () => {
  programs = new FakePrograms((line) => {
    const answer = ip(line);
    if (line.includes('tuntap')) throw new Error('killed');
    return answer;
  });
  await assert.rejects(create(null), /killed/);
  assert.deepEqual([...devices], [name]);
  programs = new FakePrograms(ip);
  await removeVmTap(env, runDirectory);
  assert.deepEqual([...devices], []);
});

test('without the right to make devices nothing is left', async () => {
  complaint = 'ioctl(TUNSETIFF): Operation not permitted';
  await assert.rejects(create(null), (error) => isKelpieError(error, 'permission_denied'));
  assert.deepEqual([...devices], []);
});

test('a device that cannot join its bridge is removed again', async () => {
  programs = new FakePrograms((line) =>
    line.includes('master') ? { code: 1, stderr: 'Device does not exist' } : ip(line),
  );
  await assert.rejects(create('br9'), (error) => isKelpieError(error, 'vm_start_failed'));
  await removeVmTap(env, runDirectory);
  assert.deepEqual([...devices], []);
});

test('a host without `ip` says so', async () => {
  programs = new FakePrograms(() => null);
  await assert.rejects(create(null), (error) => isKelpieError(error, 'backend_unavailable'));
});
