/** Snapshots of fake VMs go out as blobs and come in as new VMs, on real files. */
import assert from 'node:assert/strict';
import { cp, mkdir, readdir } from 'node:fs/promises';
import { after, test } from 'node:test';
import { collect } from '../../test/support/collect.ts';
import { encryptedDirectory } from '../../test/support/encrypted-directory.ts';
import { FakeHosts, quiet } from '../../test/support/fake-hosts.ts';
import { memoryOf } from '../../test/support/fake-machines.ts';
import { teleportOut } from '../../test/support/fake-moves.ts';
import { readSample } from '../../test/support/sample-blob.ts';
import { streamOf } from '../../test/support/sample-package.ts';
import { refusedAs } from '../../test/support/store-fixture.ts';
import { concat, hex, viewOf } from '../base/bytes.ts';
import { KelpieError } from '../base/errors.ts';
import { encodeBlob, encodeBlobWithoutDisks } from '../snapshot/blob/write-blob.ts';
import { importBlob } from './blob-import.ts';
import { packageBlobSource, snapshotBlobSource } from './blob-source.ts';
import { findSnapshot, restoreLocal } from './restore-local.ts';
import { takeSnapshot } from './take-snapshot.ts';
import type { Bytes } from '../base/bytes.ts';
import type { Supervisor } from '../daemon/supervisor.ts';
import type { BlobVersion } from '../snapshot/blob/contents.ts';
import type { OpenPackage } from '../store/teleport-storage.ts';
import type { Imported } from './blob-import.ts';
import type { ImportRequest } from './imported-snapshot.ts';
import type { ManagedVm } from './managed-vm.ts';

const hosts = await FakeHosts.create();
after(async () => await hosts.close());

const source = await hosts.start('source');
const dev = await hosts.bringUp(source);
await source.operate(dev.id, 'snapshot', () =>
  takeSnapshot(source.host, source.registry, dev, 'before', quiet),
);

const asItIs: ImportRequest = { name: null, publish: null, withoutDisk: false };

async function exported(version: BlobVersion = 2, vm: ManagedVm = dev, from = source): Promise<Bytes> {
  const snapshot = await findSnapshot(from.host, vm, null);
  const blob = await snapshotBlobSource(from.host, snapshot, quiet.signal);
  const chunks =
    version === 1 ? encodeBlobWithoutDisks(blob) : encodeBlob(blob, 'zstd', from.host.env.compute);
  const parts: Bytes[] = [];
  for await (const chunk of chunks) parts.push(chunk.slice());
  return concat(parts);
}

/** @param admit what the daemon's checks say. */
async function imported(
  supervisor: Supervisor,
  blob: AsyncIterable<Bytes>,
  request: Partial<ImportRequest> = {},
  admit: () => Promise<void> = async () => Promise.resolve(),
): Promise<Imported> {
  const guard = {
    admit,
    whileNamed: <T>(name: string, act: () => Promise<T>): Promise<T> =>
      supervisor.operate(`name:${name}`, 'import', act),
  };
  return supervisor.operate('import', 'import', () =>
    importBlob(supervisor.host, supervisor.registry, blob, { ...asItIs, ...request }, { ...quiet, guard }),
  );
}

/** Nothing is there, not even what the sweep would find. */
async function assertNothing(name: string): Promise<void> {
  assert.deepEqual(await readdir(`${hosts.home(name)}/vms`), []);
}

test('an imported VM is another VM, and runs with the memory that the snapshot had', async () => {
  const target = await hosts.start('there');
  await hosts.installImage('there');
  const { vm, snapshot } = await imported(target, streamOf(await exported(), 5000));
  assert.equal(vm.name, 'dev');
  assert.notEqual(vm.id, dev.id);
  assert.equal(snapshot.metadata.vmId, vm.id);
  assert.equal(snapshot.metadata.message, 'before');
  assert.equal(vm.record.ownership, null);
  await target.operate(vm.id, 'restore', () =>
    restoreLocal(target.host, target.registry, vm, { snapshotId: null, replace: false }, quiet),
  );
  const [machine] = hosts.machines.ofVm(vm.id);
  const [original] = hosts.machines.ofVm(dev.id);
  assert.ok(machine !== undefined && original !== undefined);
  assert.equal(memoryOf(machine), memoryOf(original));
  assert.ok(machine.generation > original.generation, 'its guest knows that it was restored');
});

test('what was imported can be exported again: the same memory, disk and device state', async () => {
  const target = await hosts.start('again');
  await hosts.installImage('again');
  const blob = await exported();
  const { vm } = await imported(target, streamOf(blob, 5000), { name: 'copy' });
  const second = await exported(2, vm, target);
  const third = (await imported(target, streamOf(second), { name: 'copy-of-copy' })).vm;
  // All but the header and the metadata, which has other ids, and the last digest.
  const bodyOf = (bytes: Bytes): string => {
    const metadataBytes = viewOf(bytes).getUint32(8, true);
    return hex(bytes.subarray(112 + metadataBytes + 32, -32));
  };
  assert.equal(bodyOf(await exported(2, third, target)), bodyOf(blob));
});

test('a blob may be imported twice on one host, under another name and with other ports', async () => {
  const publish = [{ hostPort: 8081, guestPort: 80 }];
  const blob = await exported();
  await refusedAs(imported(source, streamOf(blob)), 'name_taken');
  const { vm } = await imported(source, streamOf(blob), { name: 'twin', publish });
  assert.deepEqual([vm.name, vm.record.config.publish], ['twin', publish]);
  assert.equal(source.registry.byName('dev'), dev, 'the first is as it was');
});

test('a name that looks like an id is refused', async () => {
  const target = await hosts.start('named');
  const snapshot = await findSnapshot(source.host, dev, null);
  const blob = await snapshotBlobSource(source.host, snapshot, quiet.signal);
  const { metadata } = blob;
  const config = { ...metadata.config, name: dev.id };
  const named = encodeBlob({ ...blob, metadata: { ...metadata, config } }, 'zstd', source.host.env.compute);
  await refusedAs(imported(target, named), 'invalid_argument');
  await assertNothing('named');
});

test('version 1 has no disk: it must be wanted so', async () => {
  const target = await hosts.start('one');
  await hosts.installImage('one');
  const blob = await exported(1);
  await assert.rejects(imported(target, streamOf(blob)), (error) => {
    assert.ok(error instanceof KelpieError && error.code === 'invalid_argument');
    assert.match(error.message, /version 1, which has no disk.*--without-disk/);
    return true;
  });
  await assertNothing('one');
  const { vm, snapshot } = await imported(target, streamOf(blob, 70_000), { withoutDisk: true });
  assert.equal(snapshot.disk.length, 1);
  await target.operate(vm.id, 'restore', () =>
    restoreLocal(target.host, target.registry, vm, { snapshotId: null, replace: false }, quiet),
  );
  const [machine] = hosts.machines.ofVm(vm.id);
  const [original] = hosts.machines.ofVm(dev.id);
  assert.ok(machine !== undefined && original !== undefined);
  assert.equal(memoryOf(machine), memoryOf(original));
});

test('what is refused, damaged or cut leaves nothing, and the next try succeeds', async () => {
  const target = await hosts.start('refused');
  const blob = await exported();
  const failing = async function* (): AsyncGenerator<Bytes> {
    yield* streamOf(blob.subarray(0, blob.byteLength - 100), 4096);
    throw new KelpieError('canceled', 'the client went away.');
  };
  await refusedAs(imported(target, streamOf(blob, 5000)), 'image_not_found');
  await assertNothing('refused');
  await hosts.installImage('refused');
  const incompatible = new KelpieError('restore_incompatible', 'it is a VM for another machine.');
  await refusedAs(
    imported(target, streamOf(blob, 5000), {}, async () => Promise.reject(incompatible)),
    'restore_incompatible',
  );
  for (const cut of [10, 500, blob.byteLength - 100, blob.byteLength - 1])
    await refusedAs(imported(target, streamOf(blob.subarray(0, cut), 4096)), 'package_corrupt');
  const last = blob.byteLength - 1;
  const flipped = blob.with(last, (blob[last] ?? 0) ^ 1);
  await refusedAs(imported(target, streamOf(flipped, 4096)), 'package_corrupt');
  await refusedAs(imported(target, failing()), 'canceled');
  await assertNothing('refused');
  assert.deepEqual(target.registry.all, []);
  assert.equal((await imported(target, streamOf(blob, 5000))).vm.name, 'dev');
});

test('an import that is canceled at its end is none', async () => {
  const target = await hosts.start('canceled');
  await hosts.installImage('canceled');
  const controller = new AbortController();
  const blob = await exported();
  const canceling = async function* (): AsyncGenerator<Bytes> {
    yield* streamOf(blob, 5000);
    controller.abort(new KelpieError('canceled', 'the client went away.'));
  };
  const guard = {
    admit: async (): Promise<void> => Promise.resolve(),
    whileNamed: <T>(_name: string, act: () => Promise<T>): Promise<T> => act(),
  };
  const options = { ...quiet, signal: controller.signal, guard };
  await refusedAs(importBlob(target.host, target.registry, canceling(), asItIs, options), 'canceled');
  await assertNothing('canceled');
});

test('a snapshot whose files are gone or cut cannot be exported', async () => {
  const target = await hosts.start('damaged');
  await hosts.installImage('damaged');
  const { vm, snapshot } = await imported(target, streamOf(await exported(), 5000));
  const { files } = target.host.env;
  const handle = await files.open(snapshot.deviceStatePath, 'r+');
  await handle.truncate(snapshot.deviceStateBytes - 1);
  await handle.close();
  await refusedAs(exported(2, vm, target), 'snapshot_corrupt');
  await files.unlink(`${target.host.places.blobDirectory}/${snapshot.memory.pageFiles[0] ?? ''}.pages`);
  await refusedAs(exported(2, vm, target), 'snapshot_corrupt');
});

test('a package of a store is the blob that its snapshot was, encrypted or not', async () => {
  for (const isEncrypted of [false, true]) {
    const name = isEncrypted ? 'sealed' : 'plain';
    const publisher = await hosts.start(name);
    const vm = await hosts.bringUp(publisher);
    const storeUrl = await makeStore(name, isEncrypted);
    const [machine] = hosts.machines.ofVm(vm.id);
    assert.ok(machine !== undefined);
    const memory = memoryOf(machine);
    const { packageId } = await teleportOut(publisher, vm, storeUrl);
    const { storage, ownership } = await publisher.host.openStore(storeUrl);
    const record = await ownership.read(vm.id);
    const opened = await storage.download(packageId);
    const blob = concat(await collect(await encodedPackage(publisher, opened)));
    const [read, before] = [await readSample(blob), await readSample(await exported(2, vm, publisher))];
    assert.deepEqual(read.contents?.metadata, before.contents?.metadata);
    for (const part of ['deviceStateBytes', 'memoryBytes', 'diskBytes'] as const)
      assert.ok(Buffer.compare(read[part], before[part]) === 0, part);

    const other = await imported(publisher, streamOf(blob, 50_000), { name: 'copy' });
    await publisher.operate(other.vm.id, 'restore', () =>
      restoreLocal(publisher.host, publisher.registry, other.vm, { snapshotId: null, replace: false }, quiet),
    );
    const [copy] = hosts.machines.ofVm(other.vm.id);
    assert.ok(copy !== undefined);
    assert.equal(memoryOf(copy), memory);
    assert.deepEqual(await ownership.read(vm.id), record, 'who may run the VM did not change');
    if (isEncrypted) {
      const { storage: unread } = await source.host.openStore(storeUrl);
      await refusedAs(unread.download(packageId), 'permission_denied');
    }
  }
});

test('a package that is removed or damaged while it is exported ends the blob', async () => {
  const publisher = await hosts.start('removing');
  const storeUrl = await makeStore('removing', false);
  const { packageId } = await teleportOut(publisher, await hosts.bringUp(publisher), storeUrl);
  const { storage, objects } = await publisher.host.openStore(storeUrl);
  const opened = await storage.download(packageId);
  const chunks = await encodedPackage(publisher, opened);
  for (const { key } of (await objects.list({ prefix: 'packs/' })).objects) await objects.delete(key);
  await refusedAs(collect(chunks), 'package_corrupt');
  await storage.delete(packageId);
  await refusedAs(collect(await encodedPackage(publisher, opened)), 'package_not_found');
});

/** @param host the one host that has the keys of an encrypted store. */
async function makeStore(host: string, isEncrypted: boolean): Promise<string> {
  if (!isEncrypted) {
    const url = hosts.home(`store-of-${host}`);
    await mkdir(url);
    return url;
  }
  const { url, home, close } = await encryptedDirectory();
  after(close);
  await cp(`${home}/keys`, `${hosts.home(host)}/keys`, { recursive: true });
  return url;
}

async function encodedPackage(
  { host }: Supervisor,
  opened: OpenPackage,
): Promise<AsyncGenerator<Bytes, void>> {
  return encodeBlob(await packageBlobSource(opened, quiet.signal), 'zstd', host.env.compute);
}
