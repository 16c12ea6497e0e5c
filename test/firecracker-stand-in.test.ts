/** The stand-in's own promises: faults on demand, other versions, and what its jailer makes of a user. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { printed } from './conformance-firecracker/binary.ts';
import { World } from './conformance-firecracker/case.ts';
import { object, refused, state } from './conformance-firecracker/expect.ts';
import { loadRequest, start } from './conformance-firecracker/machine.ts';
import { openSuite } from './conformance-firecracker/run.ts';
import type { UnderTest } from './conformance-firecracker/under-test.ts';
import { standInOptions } from './support/stand-in-options.ts';

/** An answer that comes at all comes sooner. */
const HANG_MS = 300;
const folder = join(import.meta.dirname, 'firecracker-stand-in');
const suite = openSuite(standInOptions, '1.16.1');
let world: World;

before(async () => {
  world = await World.open(suite);
});
after(async () => {
  await world.close();
  await suite.base.close();
});

/** Launches the stand-in with an environment, by a program that sets it, as users of a path alone would. */
async function launchWith(name: string, variables: Readonly<Record<string, string>>): Promise<UnderTest> {
  const program = await wrapped(name, variables);
  const place = join(world.folder, name);
  const args = ['--api-sock', 'api.sock', '--id', name];
  return await world.launchAs({ program, args, folder: place, socketPath: join(place, 'api.sock') });
}

async function wrapped(name: string, variables: Readonly<Record<string, string>>): Promise<string> {
  await mkdir(join(world.folder, name), { recursive: true });
  const program = join(world.folder, name, 'firecracker');
  const settings = Object.entries(variables).map(([variable, value]) => `export ${variable}='${value}'\n`);
  await writeFile(program, `#!/bin/sh\n${settings.join('')}exec '${standInOptions.binary}' "$@"\n`);
  await chmod(program, 0o755);
  return program;
}

function commandOf(pid: number): readonly string[] {
  return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
}

/** Launches one whose faults are those of a file that the returned function writes. */
async function launchFaulty(
  name: string,
): Promise<{ readonly one: UnderTest; readonly fail: (...rules: readonly object[]) => Promise<void> }> {
  const path = join(world.folder, `${name}.json`);
  const one = await launchWith(name, { FIRECRACKER_STAND_IN_FAULTS: path });
  return { one, fail: async (...rules) => await writeFile(path, JSON.stringify(rules)) };
}

test('answers are refused, dropped, cut and made garbage as told, and right again when no longer told', async () => {
  const { one, fail } = await launchFaulty('faulty');
  await fail({ on: 'GET /version', do: 'refuse', message: 'not today', status: 400 });
  assert.equal(refused(await one.get('/version')), 'not today');
  object(await one.get('/'));
  for (const act of ['drop', 'cut', 'garbage']) {
    await fail({ on: 'GET /version', do: act, when: 'after' });
    await assert.rejects(one.get('/version'), Error, act);
  }
  await fail({ on: '*', do: 'drop', nth: 2 });
  object(await one.get('/version'));
  await assert.rejects(one.get('/version'));
  object(await one.get('/version'));
});

test('a fault before a request leaves it undone, and one after it does not', async () => {
  const { one, fail } = await launchFaulty('half');
  await start(world, one);
  await fail({ on: 'PATCH /vm', do: 'drop', when: 'before' });
  await assert.rejects(one.patch('/vm', { state: 'Paused' }));
  assert.equal(await state(one), 'Running');
  await fail({ on: 'PATCH /vm', do: 'drop', when: 'after' });
  await assert.rejects(one.patch('/vm', { state: 'Paused' }));
  assert.equal(await state(one), 'Paused');
});

test('it dies when told, with its guest', async () => {
  const { one, fail } = await launchFaulty('mortal');
  await start(world, one);
  await fail({ on: 'PATCH /vm', do: 'die', when: 'after' });
  await assert.rejects(one.patch('/vm', { state: 'Paused' }));
  assert.equal(await one.end(), 'SIGKILL');
});

test('the guest ends with the server of its interface, however that ended', async () => {
  const one = await world.launch('served');
  await start(world, one);
  const servers = one.descendants().filter((pid) => commandOf(pid).includes(join(folder, 'main.ts')));
  assert.equal(servers.length, 1);
  for (const server of servers) process.kill(server, 'SIGKILL');
  assert.equal(await one.end(), 'SIGKILL');
});

test('a server whose process has gone makes no socket', async () => {
  const socketPath = join(world.folder, 'late.sock');
  const node = join(import.meta.dirname, '../scripts/node');
  // Its parent is this process, so one with another id is not there any more.
  const args = [join(folder, 'main.ts'), String(process.pid + 1), '--api-sock', socketPath];
  const { exitCode } = await printed(world.outside.env, node, args);
  assert.equal(exitCode, 0);
  assert.ok(!existsSync(socketPath));
});

test('it hangs when told, for this request and all later ones, and can be killed', async () => {
  const { one, fail } = await launchFaulty('stuck');
  await fail({ on: 'GET /version', do: 'hang' });
  const answers = [one.get('/version'), one.get('/')].map((answer) => answer.catch(() => 'no answer'));
  assert.equal(await Promise.race([...answers, sleep(HANG_MS, 'nothing')]), 'nothing');
  await one.kill();
  assert.deepEqual(await Promise.all(answers), ['no answer', 'no answer']);
});

test('an older version says so, writes its own format, and does not know what came later', async () => {
  const one = await launchWith('older', { FIRECRACKER_STAND_IN_VERSION: '1.15.1' });
  assert.equal(object(await one.get('/version'))['firecracker_version'], '1.15.1');
  const { output } = await printed(one.env, one.path('firecracker'), ['--snapshot-version']);
  assert.equal(output, 'v9.0.0\n');
  await world.base.into(one.folder);
  const overridden = loadRequest('base', { vsock_override: { uds_path: 'w' } });
  assert.match(refused(await one.put('/snapshot/load', overridden)), /unknown field `vsock_override`/);
  const later = await one.put('/snapshot/load', loadRequest('base'));
  assert.match(refused(later), /Invalid data version: 10\.0\.0/);
  assert.equal(await one.end(), 1);
});

test('a jail refuses what its user could not open', async () => {
  const base = join(world.folder, 'jails');
  const root = join(base, 'firecracker', 'j', 'root');
  await mkdir(root, { recursive: true });
  await writeFile(join(root, 'kernel'), 'secret', { mode: 0o600 });
  const jailed = ['--id', 'j', '--uid', '12345', '--gid', '12345', '--chroot-base-dir', base];
  const one = await world.launchAs({
    program: standInOptions.jailer,
    args: [...jailed, '--exec-file', standInOptions.binary, '--', '--api-sock', '/run/api.sock'],
    folder: root,
    socketPath: join(root, 'run/api.sock'),
  });
  const answer = await one.put('/boot-source', { kernel_image_path: '/kernel' });
  assert.match(refused(answer), /Permission denied \(os error 13\)$/);
});

test('the jailer refuses limits, groups and users that are none', async () => {
  const jail = [
    '--id',
    'j',
    '--gid',
    '1',
    '--exec-file',
    standInOptions.binary,
    '--chroot-base-dir',
    world.folder,
  ];
  const bad: readonly (readonly [more: readonly string[], complaint: RegExp])[] = [
    [['--uid', 'root'], /Invalid uid: root/],
    [['--uid', '1', '--cgroup', 'cpu.max'], /Invalid format for cgroups/],
    [['--uid', '1', '--cgroup-version', '3'], /invalid cgroup version/],
    [['--uid', '1', '--parent-cgroup', '../x'], /Parent cgroup path is invalid/],
    [['--uid', '1', '--resource-limit', 'colour=1'], /Invalid resource argument: colour/],
    [['--uid', '1', '--netns', '/no/such/namespace'], /No such file or directory/],
  ];
  for (const [more, complaint] of bad) {
    const { exitCode, output } = await printed(world.outside.env, standInOptions.jailer, [...jail, ...more]);
    assert.equal(exitCode, 1);
    assert.match(output, complaint);
  }
});
