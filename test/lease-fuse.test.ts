/** The fuse of a lease against real processes: it stops those of its VM when its time is over, and no others. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { createNodeEnv } from '../src/env/node/env.ts';
import { HostPlaces } from '../src/teleport/host-places.ts';
import { LeaseFuse } from '../src/teleport/lease-fuse.ts';
import { eventually } from './support/eventually.ts';
import type { Child } from '../src/env/processes.ts';

const env = createNodeEnv();
const vmId = '00000000-0000-4000-8000-00000000000a';
const otherId = '10000000-0000-4000-8000-00000000000b';
/** The shortest that there is: it burns for a second. */
const SHORT_MS = 3000;
const LONG_MS = 60_000;

interface World {
  readonly places: HostPlaces;
  readonly fuse: LeaseFuse;
  /** Stands for a VMM: it is known by the run directory in its arguments. */
  readonly vmm: Child;
  readonly otherVmm: Child;
}

async function withWorld(use: (world: World) => Promise<void>): Promise<void> {
  const home = await mkdtemp(join(tmpdir(), 'kelpie-fuse-'));
  const places = new HostPlaces(home);
  for (const id of [vmId, otherId]) await mkdir(places.vmDirectory(id), { recursive: true });
  const vmm = await startVmm(places, vmId);
  const otherVmm = await startVmm(places, otherId);
  try {
    await use({ places, fuse: new LeaseFuse(env, places, vmId), vmm, otherVmm });
  } finally {
    for (const child of [vmm, otherVmm]) child.kill('SIGKILL');
    await rm(home, { recursive: true });
    await eventually(async () => (await burning(home)).length === 0, 'no fuse burns on');
  }
}

async function startVmm(places: HostPlaces, id: string): Promise<Child> {
  const args = ['-c', 'while :; do sleep 0.1; done', 'vmm', `${places.runDirectory(id)}/control.sock`];
  return await env.processes.spawn({ command: '/bin/sh', args, output: 'ignore', detached: true });
}

/** As Firecracker's jailer leaves it: it sees no path of the host. */
async function startCaged(name: string): Promise<Child> {
  const args = ['-c', 'while :; do sleep 0.1; done', 'firecracker', '--id', name, '--api-sock', 'api.sock'];
  return await env.processes.spawn({ command: '/bin/sh', args, output: 'ignore', detached: true });
}

async function burning(home: string): Promise<readonly number[]> {
  const processes = await env.processes.list();
  return processes
    .filter(({ args }) => args.includes('kelpie-lease-fuse') && args.some((arg) => arg.startsWith(home)))
    .map(({ identity }) => identity.pid);
}

async function isStopped({ identity }: Child): Promise<boolean> {
  const stat = await readFile(`/proc/${identity.pid}/stat`, 'latin1');
  return stat.slice(stat.lastIndexOf(')') + 2).startsWith('T');
}

test('the fuse in force stops the processes of its VM when its time is over, and they go on when it is thawed', async () => {
  await withWorld(async ({ fuse, vmm, otherVmm }) => {
    await fuse.take(await fuse.light(SHORT_MS));
    assert.equal(await fuse.isBlown(), false);
    await eventually(async () => await isStopped(vmm), 'the VMM is stopped');
    assert.equal(await fuse.isBlown(), true);
    assert.equal(await isStopped(otherVmm), false);
    await fuse.thaw();
    assert.equal(await fuse.isBlown(), false);
    await eventually(async () => !(await isStopped(vmm)), 'the VMM goes on');
  });
});

test('a process that is caged is stopped and thawed by the name of its cage', async () => {
  await withWorld(async ({ places, fuse }) => {
    await mkdir(join(places.runDirectory(vmId), 'jail/firecracker/0123456789ab/root'), { recursive: true });
    const caged = await startCaged('0123456789ab');
    const other = await startCaged('0123456789ac');
    try {
      await fuse.take(await fuse.light(SHORT_MS));
      await eventually(async () => await isStopped(caged), 'the caged one is stopped');
      assert.equal(await isStopped(other), false);
      await fuse.thaw();
      await eventually(async () => !(await isStopped(caged)), 'it goes on');
    } finally {
      for (const child of [caged, other]) child.kill('SIGKILL');
    }
  });
});

test('a fuse that was not taken, that another replaced, or that was disarmed, ends without doing anything', async () => {
  await withWorld(async ({ places, fuse, vmm }) => {
    const first = await fuse.light(SHORT_MS);
    await fuse.take(first);
    const second = await fuse.light(LONG_MS);
    await fuse.take(second);
    const untaken = await fuse.light(SHORT_MS);
    assert.ok(untaken.token !== second.token);
    await eventually(async () => (await burning(places.home)).length === 1, 'one fuse burns');
    await fuse.disarm();
    await eventually(async () => (await burning(places.home)).length === 0, 'no fuse burns');
    assert.equal(await isStopped(vmm), false);
    assert.equal(await fuse.isBlown(), false);
  });
});

test('a fuse whose file cannot be read does not give up: it blows when its time is over', async () => {
  await withWorld(async ({ places, fuse, vmm }) => {
    await fuse.take(await fuse.light(SHORT_MS));
    const file = places.leaseFuse(vmId);
    // A folder is there and cannot be read, as a file on a disk that fails.
    await rename(file, `${file}.aside`);
    await mkdir(file);
    await eventually(async () => await isStopped(vmm), 'the VMM is stopped');
    assert.equal(await fuse.isBlown(), true);
  });
});

test('a fuse stops its VM also where it cannot leave its mark', async () => {
  await withWorld(async ({ places, fuse, vmm }) => {
    await mkdir(`${places.leaseFuse(vmId)}.blown`);
    await fuse.take(await fuse.light(SHORT_MS));
    await eventually(async () => await isStopped(vmm), 'the VMM is stopped');
  });
});

test('a fuse that is put out is gone', async () => {
  await withWorld(async ({ places, fuse }) => {
    const lit = await fuse.light(LONG_MS);
    // A shell that asks something of a copy of itself is two for a moment.
    assert.notDeepEqual(await burning(places.home), []);
    lit.putOut();
    await eventually(async () => (await burning(places.home)).length === 0, 'no fuse burns');
  });
});
