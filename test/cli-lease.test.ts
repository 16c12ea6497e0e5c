/** A host vanishes with a VM that it holds by a lease: the VM stops in time, another host takes it, and the first one finds out when it comes back. */
import assert from 'node:assert/strict';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { withHosts } from './support/cli-host.ts';
import { assertGoesOn, bootCounter, readCounter } from './support/counter-vm.ts';
import { eventually } from './support/eventually.ts';
import { isAlive } from './support/host-processes.ts';

const LEASE = '20s';
const LEASE_MS = 20_000;

/** The process exists and executes nothing. */
async function isFrozen(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1');
  return stat.slice(stat.lastIndexOf(')') + 2).startsWith('T');
}

await test('a lease', async (t) => {
  await withHosts(async (make, scratch) => {
    const laptop = await make('laptop');
    const cloud = await make('cloud');
    const store = join(scratch, 'store');
    await mkdir(store);
    await bootCounter(laptop);
    await laptop.must(['teleport', 'dev', '--to', store, '--no-image']);
    await laptop.fails('usage', ['restore', 'dev', '--lease', LEASE]);
    await laptop.fails('usage', ['restore', 'dev', '--from', store, '--lease', '1s']);
    await cloud.must(['restore', 'dev', '--from', store, '--lease', LEASE]);
    let seen = await readCounter(cloud);

    await t.test('who says who may run it and why; a live host keeps it', async () => {
      assert.match((await cloud.must(['who', 'dev'])).stdout, /^dev: \S+\n.*may run it.*\n.*It is alive/);
      await laptop.must(['who', 'dev', '--from', store]);
      await laptop.fails('vm_not_found', ['who', 'other', '--from', store]);
      const refusal = await laptop.fails('vm_owned_elsewhere', ['reclaim', 'dev', '--from', store]);
      assert.match(refusal, /lives and renews/);
    });

    await t.test('a VM whose daemon is dead freezes in time, and goes on with the next daemon', async () => {
      const pid = await cloud.qemuPid('dev');
      await cloud.killDaemon();
      const frozenMs = await eventually(async () => await isFrozen(pid), 'QEMU is frozen');
      assert.ok(frozenMs < LEASE_MS, `${frozenMs} ms`);
      await cloud.must(['ps']);
      await eventually(async () => !(await isFrozen(pid)), 'QEMU goes on');
      await eventually(async () => (await cloud.state('dev')) === 'running', 'it is found again');
      seen = await assertGoesOn(cloud, seen);
      assert.equal(await cloud.qemuPid('dev'), pid);
    });

    await t.test('a host that vanishes loses it; when it comes back its copy ends', async () => {
      const pid = await cloud.qemuPid('dev');
      await cloud.killDaemon();
      const reclaimed = await laptop.must(['reclaim', 'dev', '--from', store]);
      assert.match(reclaimed.stdout, /^dev was taken from \S+ and is at rest in package/);
      assert.ok(await isFrozen(pid), 'it does not execute while another host may run it');
      await laptop.must(['restore', 'dev', '--from', store]);
      await readCounter(laptop);
      await eventually(async () => {
        const { stdout } = await cloud.must(['ps']);
        return /dev +reclaimed by/.test(stdout);
      }, 'the copy has ended');
      assert.ok(!(await isAlive(pid)));
      await cloud.fails('vm_departed', ['up', 'dev']);
      assert.match((await cloud.must(['who', 'dev'])).stdout, /This host had it until/);
    });

    await t.test('what a host that was overruled did is kept as a snapshot', async () => {
      seen = await readCounter(laptop);
      await cloud.fails('vm_owned_elsewhere', ['reclaim', 'dev', '--from', store]);
      await cloud.must(['reclaim', 'dev', '--from', store, '--force']);
      await laptop.must(['daemon', 'restart']);
      await eventually(
        async () => /dev +reclaimed by/.test((await laptop.must(['ps'])).stdout),
        'the copy has ended',
      );
      assert.match((await laptop.must(['log', 'dev'])).stdout, /kept when another host took the VM/);
      await cloud.must(['doctor', '--repair']);
    });
  });
});
