/** What a daemon makes of a store that does not keep its promises: a commit whose answer is lost or late, and what the doctor says. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { routes } from '../src/daemon/api/routes.ts';
import { SystemError } from '../src/env/system-error.ts';
import { dev, rejectsWith } from './support/daemon-calls.ts';
import { withFakeHosts } from './support/fake-daemon.ts';
import { eventually } from './support/eventually.ts';
import { faultyEnv } from './support/faulty-env.ts';
import { hastyEnv } from './support/hasty-env.ts';

test('a commit that the store does not answer keeps the VM paused until it is known, and then it runs on', async () => {
  await withFakeHosts(async (start, hosts) => {
    let isDown = true;
    const { env } = faultyEnv(hastyEnv(hosts.env), {
      onCall: async ({ act, subject }) => {
        if (isDown && act === 'files.rename' && subject.includes('/ownership/'))
          throw new SystemError('EIO', act, subject);
      },
    });
    const { client, up, operate, view } = await start('a', {}, env);
    await up();
    const body = { storeUrl: hosts.storeUrl, message: '', includeImage: false };
    await rejectsWith('store_unavailable', operate(routes.teleport, { ...dev, body }));
    assert.deepEqual([(await view()).state, (await view()).busy], ['paused', 'settling a teleport']);
    await rejectsWith('vm_busy', operate(routes.vmResume, dev));
    const { findings } = await client.call(routes.doctor);
    assert.equal(findings.find(({ check }) => check === 'leftovers')?.level, 'warning');
    // What is nobody's cannot be told from what the operation needs, until it is settled.
    const nobodys = join(hosts.home('a'), 'blobs', `${hosts.env.random.uuid()}.pages`);
    await writeFile(nobodys, '');
    isDown = false;
    while ((await view()).busy !== null) await hosts.env.clock.sleep(20);
    assert.equal((await view()).state, 'running');
    await eventually(async () => !existsSync(nobodys), 'it is collected without another operation');
    await operate(routes.teleport, { ...dev, body });
    assert.deepEqual(hosts.machines.all, []);
  });
});

test('a commit whose answer was lost counts as done', async () => {
  await withFakeHosts(async (start, hosts) => {
    // The record is in place when the sync of its folder fails: the writer cannot know.
    const seen = { isReplaced: false, isLost: false };
    const { env } = faultyEnv(hosts.env, {
      onCall: async ({ act, subject }) => {
        if (act === 'files.rename' && subject.includes('/ownership/')) seen.isReplaced = true;
        const isLost = act === 'files.syncDirectory' && seen.isReplaced && !seen.isLost;
        if (!isLost || !subject.endsWith('/ownership')) return;
        seen.isLost = true;
        throw new SystemError('EIO', act, subject);
      },
    });
    const { up, operate, view } = await start('a', {}, env);
    await up();
    await operate(routes.teleport, {
      ...dev,
      body: { storeUrl: hosts.storeUrl, message: '', includeImage: true },
    });
    assert.ok(seen.isLost);
    assert.equal((await view()).state, 'departed');
    const b = await start('b');
    await b.operate(routes.restoreFromStore, { body: { storeUrl: hosts.storeUrl, vm: 'dev' } });
    assert.equal(hosts.machines.all.length, 1);
  });
});

test('the doctor asks a store whether it keeps its promises', async () => {
  await withFakeHosts(async (start, hosts) => {
    const { client } = await start('a');
    const ask = async (storeUrl: string): Promise<readonly string[]> => {
      const { findings } = await client.call(routes.doctor, { query: { storeUrl } });
      return findings.filter(({ check }) => check.startsWith('store.')).map(({ level }) => level);
    };
    const told = await ask(hosts.storeUrl);
    assert.ok(told.length > 5 && told.every((level) => level === 'ok'), told.join());
    const left = await readdir(hosts.storeUrl, { recursive: true, withFileTypes: true });
    const objects = left.filter((entry) => entry.isFile() && !entry.parentPath.includes('.kelpie-objects'));
    assert.deepEqual(objects, [], 'it leaves nothing behind');
    assert.deepEqual(await ask(`${hosts.storeUrl}/missing`), ['problem']);
    await rejectsWith('invalid_argument', ask('relative/path'));
    assert.equal(
      (await client.call(routes.doctor)).findings.some(({ check }) => check.startsWith('store.')),
      false,
    );
  });
});
