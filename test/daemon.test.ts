/** The daemon through its API, over fake VMs: what goes wrong is told by a stable code, and the VM is still there. */
import assert from 'node:assert/strict';
import { readFile, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { routes } from '../src/daemon/api/routes.ts';
import { execFrameKinds, encodeExecFrame } from '../src/daemon/api/exec-frames.ts';
import { concat, fromUtf8, utf8 } from '../src/base/bytes.ts';
import { collect } from './support/collect.ts';
import { dev, rejectsWith } from './support/daemon-calls.ts';
import { faultyEnv } from './support/faulty-env.ts';
import { withFakeHosts } from './support/fake-daemon.ts';
import type { BackendProbe } from '../src/vm/instance.ts';

test('a VM is created, used, paused, stopped, started and removed', async () => {
  await withFakeHosts(async (start) => {
    const { client, up, view, operate } = await start('a');
    assert.equal((await up()).state, 'running');
    assert.equal((await client.call(routes.vmPause, dev)).state, 'paused');
    assert.equal((await operate(routes.vmResume, dev)).state, 'running');
    assert.equal((await client.call(routes.vmStop, { ...dev, body: { force: false } })).state, 'stopped');
    assert.equal((await operate(routes.vmStart, dev)).vm.state, 'running');
    assert.deepEqual(
      (await client.call(routes.vmList)).vms.map(({ name }) => name),
      ['dev'],
    );
    await rejectsWith('invalid_state', client.call(routes.vmRemove, dev));
    assert.equal((await view()).state, 'running');
    await client.call(routes.vmRemove, { ...dev, query: { force: true } });
    assert.deepEqual((await client.call(routes.vmList)).vms, []);
  });
});

test('a command runs attached', async () => {
  await withFakeHosts(async (start) => {
    const { client, up } = await start('a');
    await up();
    const run = async (argv: readonly string[]): Promise<readonly (readonly [string, string])[]> => {
      const frames = await client.attach(
        'dev',
        once(encodeExecFrame('open', utf8(JSON.stringify({ start: { argv } })))),
      );
      const seen: (readonly [string, string])[] = [];
      for await (const { kind, payload } of frames)
        seen.push([kind, kind === 'outputEnd' ? String(payload[0]) : fromUtf8(payload)]);
      return seen;
    };
    const seen = await run(['count']);
    assert.deepEqual(seen.slice(1), [
      ['stdout', '1\n'],
      ['outputEnd', '1'],
      ['outputEnd', '2'],
      ['exit', '{"code":0,"timedOut":false}'],
    ]);
    await rejectsWith('command_not_executable', run(['nothing']));
    await rejectsWith('usage', client.attach('dev', once(encodeExecFrame('stdin', utf8('x')))));
    await rejectsWith(
      'usage',
      client.attach('dev', once(new Uint8Array([execFrameKinds.open, 255, 255, 255, 255]))),
    );
  });
});

test('a snapshot that this host cannot run any more is refused before what runs is stopped for it', async () => {
  await withFakeHosts(async (start) => {
    const options: { probe?: Partial<BackendProbe> } = {};
    const { up, view, operate } = await start('a', options);
    await up();
    await operate(routes.snapshotCreate, { ...dev, body: { message: '' } });
    options.probe = { guests: [] };
    await rejectsWith(
      'restore_incompatible',
      operate(routes.restoreLocal, { ...dev, body: { replace: true } }),
    );
    assert.equal((await view()).state, 'running');
    delete options.probe;
    await operate(routes.restoreLocal, { ...dev, body: { replace: true } });
    assert.equal((await view()).state, 'running');
  });
});

test('bad input is refused by a code and a sentence', async () => {
  await withFakeHosts(async (start) => {
    const { client, up, operate } = await start('a');
    const create = (body: Record<string, unknown>): Promise<unknown> =>
      operate(routes.vmCreate, { body: { memoryMib: 128, diskMib: 64, ...body } });
    await rejectsWith('vm_not_found', client.call(routes.vmInspect, dev));
    await rejectsWith('vm_not_found', operate(routes.vmStart, dev));
    for (const bad of [
      { name: 'Dev' },
      { name: '' },
      { name: 'a'.repeat(64) },
      { name: '-a' },
      { name: 'x', memoryMib: 64 },
      { name: 'x', memoryMib: 1e9 },
      { name: 'x', vcpuCount: 0 },
      { name: 'x', vcpuCount: 1.5 },
      { name: 'x', diskMib: 1 },
      { name: 'x', publish: [{ hostPort: 0, guestPort: 1 }] },
      { name: 'x', unknown: 1 },
    ]) {
      await rejectsWith('invalid_argument', create(bad));
    }
    await rejectsWith('image_not_found', create({ name: 'x', image: 'other' }));
    await rejectsWith('image_not_found', create({ name: 'x', image: 'base@9.9.9' }));
    await rejectsWith('backend_unavailable', create({ name: 'x', architecture: 'arm64' }));
    await up();
    await rejectsWith('name_taken', create({ name: 'dev' }));
    await rejectsWith(
      'snapshot_not_found',
      operate(routes.restoreLocal, { ...dev, body: { replace: true } }),
    );
    await rejectsWith(
      'snapshot_not_found',
      operate(routes.restoreLocal, { ...dev, body: { snapshotId: 'abcd', replace: true } }),
    );
    await rejectsWith(
      'invalid_argument',
      operate(routes.teleport, { ...dev, body: { storeUrl: 'relative', message: '', includeImage: true } }),
    );
    await rejectsWith(
      'store_unavailable',
      operate(routes.teleport, {
        ...dev,
        body: { storeUrl: '/nowhere/at/all', message: '', includeImage: true },
      }),
    );
    assert.equal((await client.call(routes.vmInspect, dev)).state, 'running');
  });
});

test('a port that is taken is told before anything starts', async () => {
  await withFakeHosts(async (start, { env }) => {
    const { operate } = await start('a');
    const listener = await env.sockets.listen({ kind: 'tcp', host: '127.0.0.1', port: 0 }, (connection) =>
      connection.close(),
    );
    assert.ok(listener.address.kind === 'tcp');
    const publish = [{ hostPort: listener.address.port, guestPort: 80 }];
    await rejectsWith(
      'port_taken',
      operate(routes.vmCreate, { body: { name: 'web', memoryMib: 128, diskMib: 64, publish } }),
    );
    await listener.close();
    await operate(routes.vmCreate, { body: { name: 'web', memoryMib: 128, diskMib: 64, publish } });
  });
});

test('two commands on one VM at once: the second is told what the first is', async () => {
  const gate = Promise.withResolvers<void>();
  await withFakeHosts(async (start) => {
    const { client, up, operate, view } = await start('a', {
      onAct: async (act) => (act === 'snapshot' ? gate.promise : undefined),
    });
    await up();
    const first = operate(routes.snapshotCreate, { ...dev, body: { message: '' } });
    while ((await view()).busy === null) await new Promise((resolve) => setImmediate(resolve));
    await rejectsWith('vm_busy', operate(routes.snapshotCreate, { ...dev, body: { message: '' } }));
    await rejectsWith('vm_busy', client.call(routes.vmStop, { ...dev, body: { force: false } }));
    gate.resolve();
    await first;
    assert.equal((await client.call(routes.snapshotLog, dev)).snapshots.length, 1);
  });
});

test('a VM that crashes while its snapshot is taken can be started again', async () => {
  await withFakeHosts(async (start, { machines }) => {
    const { client, up, operate, view } = await start('a', {
      onAct: async (act, vmId) => {
        if (act === 'snapshot') for (const { pid } of machines.ofVm(vmId)) machines.kill(pid);
      },
    });
    await up();
    await rejectsWith('vm_crashed', operate(routes.snapshotCreate, { ...dev, body: { message: '' } }));
    assert.equal((await view()).state, 'crashed');
    assert.deepEqual((await client.call(routes.snapshotLog, dev)).snapshots, []);
    await rejectsWith('vm_crashed', client.call(routes.vmPause, dev));
    assert.equal((await operate(routes.vmStart, dev)).vm.state, 'running');
  });
});

test('a VM goes to another host and back, and each host refuses it while it is away', async () => {
  await withFakeHosts(async (start, { storeUrl, machines }) => {
    const [a, b] = [await start('a'), await start('b')];
    await a.up();
    const there = await a.operate(routes.teleport, {
      ...dev,
      body: { storeUrl, message: 'off', includeImage: true },
    });
    await rejectsWith('vm_departed', a.operate(routes.vmStart, dev));
    await rejectsWith('vm_departed', a.operate(routes.restoreLocal, { ...dev, body: { replace: false } }));
    await rejectsWith(
      'package_in_use',
      a.client.call(routes.packageRemove, { parameters: { package: there.packageId }, query: { storeUrl } }),
    );
    const { vm: moved } = await b.operate(routes.restoreFromStore, { body: { storeUrl, vm: 'dev' } });
    assert.equal(moved.generation, 1);
    await rejectsWith(
      'vm_owned_elsewhere',
      a.operate(routes.restoreFromStore, { body: { storeUrl, vm: 'dev' } }),
    );
    await b.operate(routes.teleport, { ...dev, body: { storeUrl, message: 'back', includeImage: true } });
    await rejectsWith(
      'vm_owned_elsewhere',
      a.operate(routes.restoreFromStore, { body: { storeUrl, packageId: there.packageId.slice(0, 12) } }),
    );
    const { vm: back } = await a.operate(routes.restoreFromStore, { body: { storeUrl, vm: 'dev' } });
    assert.deepEqual([back.state, back.generation, back.departed], ['running', 2, null]);
    assert.equal(machines.all.length, 1);
    assert.equal((await b.view()).state, 'departed');
  });
});

test('a package that is damaged anywhere is refused, and stays where it is', async () => {
  await withFakeHosts(async (start, { storeUrl, machines }) => {
    const [a, b] = [await start('a'), await start('b')];
    await a.up();
    const { packageId } = await a.operate(routes.teleport, {
      ...dev,
      body: { storeUrl, message: '', includeImage: false },
    });
    const paths = (await readdir(storeUrl, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile() && /\/store\/pack(?:s|ages)/.test(entry.parentPath))
      .map((entry) => join(entry.parentPath, entry.name));
    assert.ok(paths.some((path) => path.endsWith(packageId)) && paths.length >= 2, 'a manifest and a pack');
    const restore = (): Promise<unknown> =>
      b.operate(routes.restoreFromStore, { body: { storeUrl, vm: 'dev' } });
    for (const path of paths) {
      const whole = await readFile(path);
      const flipped = Buffer.from(whole);
      flipped[Math.floor(whole.byteLength / 2)] = (whole[Math.floor(whole.byteLength / 2)] ?? 0) ^ 1;
      await writeFile(path, flipped);
      await rejectsWith('package_corrupt', restore());
      await writeFile(path, whole);
      await truncate(path, whole.byteLength - 1);
      await rejectsWith('package_corrupt', restore());
      await writeFile(path, whole);
    }
    assert.deepEqual((await b.client.call(routes.vmList)).vms, []);
    assert.deepEqual(machines.all, []);
    await restore();
  });
});

test('a full disk, or a store that is not writable, leaves the VM running', async () => {
  for (const [errno, code] of [
    ['ENOSPC', 'disk_full'],
    ['EROFS', 'store_not_writable'],
  ] as const) {
    await withFakeHosts(async (start, hosts) => {
      const { storeUrl } = hosts;
      const subject = new RegExp(`^${storeUrl}/`);
      const { env, injected } = faultyEnv(hosts.env, {
        rules: [{ act: 'file.write', subject, after: 1, fault: { errno } }],
      });
      const { up, operate, view, client } = await start('a', {}, env);
      await up();
      await rejectsWith(
        code,
        operate(routes.teleport, { ...dev, body: { storeUrl, message: '', includeImage: false } }),
      );
      assert.ok(injected.length > 0);
      assert.equal((await view()).state, 'running');
      assert.deepEqual((await client.call(routes.snapshotLog, dev)).snapshots, []);
    });
  }
});

test('a client that goes away while a teleport is under way leaves the VM running, or gone when it was too late', async () => {
  for (const phase of ['check', 'image', 'capture', 'publish', 'announce', 'commit', 'end']) {
    await withFakeHosts(async (start, { storeUrl, machines }) => {
      const { up, operate, view } = await start('a');
      await up();
      const leaving = new AbortController();
      const body = { storeUrl, message: '', includeImage: true };
      await operate(routes.teleport, { ...dev, body, signal: leaving.signal }, (told) => {
        if (told === phase) leaving.abort();
      }).catch(() => undefined);
      while ((await view()).busy !== null) await new Promise((resolve) => setImmediate(resolve));
      const { state } = await view();
      assert.ok(state === 'running' || state === 'departed', state);
      assert.equal(machines.all.length, state === 'running' ? 1 : 0);
    });
  }
});

test('a damaged record hides its own VM and no other', async () => {
  await withFakeHosts(async (start, hosts) => {
    const first = await start('a');
    const { id } = await first.up();
    await first.up('other');
    await first.client.call(routes.vmStop, { ...dev, body: { force: true } });
    await first.daemon.close();
    await writeFile(join(hosts.home('a'), 'vms', id, 'vm.json'), '{"formatVersion":1');
    const { client, view } = await start('a');
    assert.equal((await view('other')).state, 'running');
    const { vms } = await client.call(routes.vmList);
    assert.equal(vms.find((one) => one.id === id)?.state, 'damaged');
    await rejectsWith('io_failed', client.call(routes.vmInspect, { parameters: { vm: id } }));
    assert.equal((await client.call(routes.doctor)).ok, false);
    await client.call(routes.vmRemove, { parameters: { vm: id }, query: { force: true } });
    assert.equal((await client.call(routes.vmList)).vms.length, 1);
  });
});

test('one daemon per home, and a client of another version is told so', async () => {
  await withFakeHosts(async (start, { env }) => {
    const { daemon } = await start('a');
    await rejectsWith('invalid_state', start('a'));
    const answer = await env.http.request({
      target: { address: { kind: 'unix', path: daemon.socketPath } },
      method: 'GET',
      path: '/v1/vms',
      headers: { 'x-kelpie-api': '999' },
    });
    assert.equal(answer.status, 409);
    assert.match(fromUtf8(concat(await collect(answer.body))), /daemon_version_mismatch/);
  });
});

test('an image that a VM stands on is kept, and one that is missing is named', async () => {
  await withFakeHosts(async (start, hosts) => {
    const [a, b] = [await start('a'), await start('b')];
    await a.up();
    await rejectsWith('image_in_use', a.client.call(routes.imageRemove, { parameters: { image: 'base' } }));
    await a.operate(routes.teleport, {
      ...dev,
      body: { storeUrl: hosts.storeUrl, message: '', includeImage: false },
    });
    await rm(join(hosts.home('b'), 'images'), { recursive: true });
    await rejectsWith(
      'image_not_found',
      b.operate(routes.restoreFromStore, { body: { storeUrl: hosts.storeUrl, vm: 'dev' } }),
    );
  });
});

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
