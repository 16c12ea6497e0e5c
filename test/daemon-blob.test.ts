/** Packages as files through the daemon's API: real sockets and files, fake VMs. */
import assert from 'node:assert/strict';
import { mkdir, readdir, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { concat } from '../src/base/bytes.ts';
import { KelpieError } from '../src/base/errors.ts';
import { routes } from '../src/daemon/api/routes.ts';
import { withFakeHosts } from './support/fake-daemon.ts';
import { eventually } from './support/eventually.ts';
import { streamOf } from './support/sample-package.ts';
import { refusedAs } from './support/store-fixture.ts';
import type { Bytes } from '../src/base/bytes.ts';
import type { CallOptions } from '../src/cli/daemon-client.ts';
import type { BlobDownload } from '../src/daemon/api/blob-frames.ts';
import type { SnapshotView } from '../src/daemon/api/snapshots.ts';
import type { FakeDaemon } from './support/fake-daemon.ts';

const dev = { parameters: { vm: 'dev' } };

async function snapshot({ operate }: FakeDaemon): Promise<SnapshotView> {
  return (await operate(routes.snapshotCreate, { ...dev, body: { message: 'before' } })).snapshot;
}

async function bytesOf({ opened, parts }: BlobDownload): Promise<Bytes> {
  const chunks: Bytes[] = [];
  let doneBytes = 0;
  for await (const part of parts) {
    if (part.kind === 'bytes') {
      chunks.push(part.bytes.slice());
    } else {
      assert.ok(part.doneBytes > doneBytes && part.doneBytes <= opened.payloadBytes, 'progress goes on');
      doneBytes = part.doneBytes;
    }
  }
  return concat(chunks);
}

async function exportDev(
  { client }: FakeDaemon,
  query: Record<string, string | number | boolean> = {},
): Promise<Bytes> {
  return bytesOf(await client.export(routes.blobExport, { ...dev, query }));
}

test('a VM that runs goes out, and comes in on another host', async () => {
  await withFakeHosts(async (start, hosts) => {
    const [a, b] = [await start('a'), await start('b')];
    const { id } = await a.up();
    const first = await snapshot(a);
    await snapshot(a);
    const download = await a.client.export(routes.blobExport, {
      ...dev,
      query: { snapshot: first.id.slice(0, 8) },
    });
    assert.deepEqual(
      [download.opened.vmName, download.opened.snapshotId, download.opened.version],
      ['dev', first.id, 2],
    );
    const blob = await bytesOf(download);
    assert.equal((await a.view()).busy, null);
    const phases: string[] = [];
    const imported = await b.operate(
      routes.blobImport,
      { query: { name: 'copy', publish: '' }, bytes: streamOf(blob, 100) },
      (phase) => phases.push(phase),
    );
    assert.deepEqual(new Set(phases), new Set(['import']));
    assert.equal(imported.vm.name, 'copy');
    assert.notEqual(imported.vm.id, id);
    assert.deepEqual(imported.vm.publish, []);
    const restored = await b.operate(routes.restoreLocal, { parameters: { vm: 'copy' }, body: {} });
    assert.equal(restored.vm.state, 'running');
    assert.equal((await a.view()).state, 'running', 'the first runs on');
    assert.equal(hosts.machines.ofVm(imported.vm.id).length, 1);
    // Booted from the disk that came with it, not from an empty one.
    await b.client.call(routes.vmStop, { parameters: { vm: 'copy' }, body: { force: true } });
    await b.operate(routes.restoreLocal, { parameters: { vm: 'copy' }, body: {} });
  });
});

test('what cannot be exported is refused before a byte comes', async () => {
  await withFakeHosts(async (start) => {
    const a = await start('a');
    await a.up();
    await refusedAs(exportDev(a), 'snapshot_not_found');
    await snapshot(a);
    await refusedAs(exportDev(a, { snapshot: 'ffff' }), 'snapshot_not_found');
    await refusedAs(exportDev(a, { snapshot: '../x' }), 'invalid_argument');
    await refusedAs(exportDev(a, { version: 3 }), 'invalid_argument');
    await refusedAs(exportDev(a, { version: 1 }), 'invalid_argument');
    await refusedAs(exportDev(a, { version: 2, withoutDisk: true }), 'invalid_argument');
    await refusedAs(a.client.export(routes.blobExport, { parameters: { vm: 'nobody' } }), 'vm_not_found');
    assert.equal((await exportDev(a, { version: 1, withoutDisk: true })).byteLength > 1_000_000, true);
  });
});

test('a snapshot that turns out to be damaged is told in the middle of the stream', async () => {
  await withFakeHosts(async (start, hosts) => {
    const a = await start('a');
    const { id } = await a.up();
    const { id: snapshotId } = await snapshot(a);
    await truncate(join(hosts.home('a'), 'vms', id, 'snapshots', snapshotId, 'device-state'), 3);
    await refusedAs(exportDev(a), 'snapshot_corrupt');
    assert.equal((await a.view()).busy, null);
  });
});

test('while it is exported a VM takes no other operation, and a client that leaves lets it go', async () => {
  await withFakeHosts(async (start) => {
    const a = await start('a');
    await a.up();
    await snapshot(a);
    // More than the buffers on its way hold: version 1 has all zeros of the memory.
    const query = { version: 1, withoutDisk: true } as const;
    const download = await a.client.export(routes.blobExport, { ...dev, query });
    assert.equal((await a.view()).busy, 'export "dev"');
    await refusedAs(snapshot(a), 'vm_busy');
    for await (const part of download.parts) {
      assert.equal(part.kind, 'bytes');
      break;
    }
    await eventually(async () => (await a.view()).busy === null, 'the VM is let go');
    const never = await a.client.export(routes.blobExport, { ...dev, query });
    await a.daemon.close();
    await refusedAs(bytesOf(never), 'canceled', 'daemon_unavailable');
  });
});

test('an import that is refused or cut leaves nothing', async () => {
  await withFakeHosts(async (start, hosts) => {
    const [a, b] = [await start('a'), await start('b')];
    await a.up();
    await snapshot(a);
    const blob = await exportDev(a);
    const take = async (
      bytes: AsyncIterable<Bytes>,
      query: Record<string, string | boolean> = {},
    ): Promise<unknown> => b.operate(routes.blobImport, { query, bytes });
    const cut = async function* (): AsyncGenerator<Bytes> {
      yield* streamOf(blob.subarray(0, blob.byteLength - 1), 3000);
      throw new KelpieError('canceled', 'interrupted.');
    };
    await refusedAs(take(streamOf(new Uint8Array(100))), 'package_corrupt');
    await refusedAs(take(streamOf(new Uint8Array(0))), 'package_corrupt');
    await refusedAs(take(streamOf(blob.subarray(0, -1), 3000)), 'package_corrupt');
    await refusedAs(take(streamOf(blob), { name: 'NO' }), 'invalid_argument');
    await refusedAs(take(streamOf(blob), { publish: '80' }), 'invalid_argument');
    await refusedAs(take(streamOf(blob), { publish: '80:x' }), 'invalid_argument');
    await refusedAs(take(cut()), 'canceled');
    const home = hosts.home('b');
    const nothing = async (): Promise<boolean> =>
      (await readdir(join(home, 'vms'))).length === 0 && (await readdir(join(home, 'blobs'))).length === 0;
    await eventually(nothing, 'no file is left');
    await take(streamOf(blob));
    await refusedAs(take(streamOf(blob)), 'name_taken');
    assert.equal((await b.view()).state, 'stopped');
  });
});

test('a package of a store goes out without a VM, and its VM stays where it is', async () => {
  await withFakeHosts(async (start, hosts) => {
    const [a, b] = [await start('a'), await start('b')];
    const { id } = await a.up();
    const { storeUrl } = hosts;
    const body = { storeUrl, message: 'moved', includeImage: false };
    const { packageId } = await a.operate(routes.teleport, { ...dev, body });
    const named = (reference: string): CallOptions<undefined> => ({
      parameters: { package: reference },
      query: { storeUrl },
    });
    const download = await b.client.export(routes.packageExport, named(packageId.slice(0, 8)));
    assert.deepEqual(
      [download.opened.vmName, download.opened.vmId, download.opened.packageId, download.opened.version],
      ['dev', id, packageId, 2],
    );
    const blob = await bytesOf(download);
    await refusedAs(b.client.export(routes.packageExport, named('ffff')), 'package_not_found');
    await refusedAs(
      b.client.export(routes.packageExport, { ...named(packageId), query: { storeUrl, version: 1 } }),
      'invalid_argument',
    );
    const { ownership } = await b.client.call(routes.packageInspect, named(packageId));
    assert.equal(ownership?.state, 'at-rest');

    const { vm } = await b.operate(routes.blobImport, {
      query: { name: 'copy' },
      bytes: streamOf(blob, 9000),
    });
    assert.notEqual(vm.id, id);
    await b.operate(routes.restoreLocal, { parameters: { vm: 'copy' }, body: {} });
    await b.operate(routes.restoreFromStore, { body: { storeUrl, vm: 'dev' } });
    assert.deepEqual(
      [hosts.machines.ofVm(id).length, hosts.machines.ofVm(vm.id).length],
      [1, 1],
      'both run: they are two',
    );
  });
});

test('what a killed import has left is gone when the daemon starts again', async () => {
  await withFakeHosts(async (start, hosts) => {
    const first = await start('a');
    await first.daemon.close();
    const home = hosts.home('a');
    const vmId = '00000000-0000-4000-8000-0000000000aa';
    // As far as it can come without a record of the VM.
    await mkdir(join(home, 'vms', vmId, 'snapshots', vmId), { recursive: true });
    await writeFile(join(home, 'vms', vmId, 'snapshots', vmId, 'device-state'), 'half');
    await writeFile(join(home, 'blobs', `${vmId}.pages`), 'half');
    await start('a');
    await eventually(
      async () => (await readdir(join(home, 'blobs'))).length === 0,
      'the blobs of the import are swept',
    );
    assert.deepEqual(await readdir(join(home, 'vms')), []);
  });
});
