/** Files that become packages of a store, on real files, and are restored from there by other hosts. */
import assert from 'node:assert/strict';
import { cp, mkdir, readdir } from 'node:fs/promises';
import { after, test } from 'node:test';
import { encryptedDirectory } from '../../test/support/encrypted-directory.ts';
import { FakeHosts, quiet } from '../../test/support/fake-hosts.ts';
import { memoryOf } from '../../test/support/fake-machines.ts';
import { claimIn } from '../../test/support/fake-moves.ts';
import { patternBytes, streamOf } from '../../test/support/sample-package.ts';
import { refusedAs } from '../../test/support/store-fixture.ts';
import { concat } from '../base/bytes.ts';
import { encodeBlob, encodeBlobWithoutDisks } from '../snapshot/blob/write-blob.ts';
import { snapshotBlobSource } from './blob-source.ts';
import { depositBlob } from './deposit.ts';
import { findSnapshot } from './restore-local.ts';
import { takeSnapshot } from './take-snapshot.ts';
import type { Bytes } from '../base/bytes.ts';
import type { Supervisor } from '../daemon/supervisor.ts';
import type { BlobVersion } from '../snapshot/blob/contents.ts';
import type { Deposited, DepositRequest } from './deposit.ts';
import type { OperationOptions } from './source.ts';

const hosts = await FakeHosts.create();
after(async () => await hosts.close());

const source = await hosts.start('source');
const dev = await hosts.bringUp(source);
await source.operate(dev.id, 'snapshot', () =>
  takeSnapshot(source.host, source.registry, dev, 'before', quiet),
);
const blobs: Readonly<Record<BlobVersion, Bytes>> = { 1: await exported(1), 2: await exported(2) };
let stores = 0;

async function exported(version: BlobVersion): Promise<Bytes> {
  const { host } = source;
  const blob = await snapshotBlobSource(host, await findSnapshot(host, dev, null), quiet.signal);
  const chunks = version === 1 ? encodeBlobWithoutDisks(blob) : encodeBlob(blob, 'zstd', host.env.compute);
  const parts: Bytes[] = [];
  for await (const chunk of chunks) parts.push(chunk.slice());
  return concat(parts);
}

async function newStore(): Promise<string> {
  stores += 1;
  const url = `${hosts.root}/store-${stores}`;
  await mkdir(url);
  return url;
}

async function deposit(
  daemon: Supervisor,
  blob: AsyncIterable<Bytes>,
  request: Partial<DepositRequest> & { readonly storeUrl: string },
  options: OperationOptions = quiet,
): Promise<Deposited> {
  const vmId = daemon.host.env.random.uuid();
  const asked = { name: null, publish: null, withoutDisk: false, vmId, ...request };
  return await daemon.operate(vmId, 'import', () => depositBlob(daemon.host, blob, asked, options));
}

async function assertNothing({ host }: Supervisor, storeUrl: string): Promise<void> {
  const { storage, ownership, objects } = await host.openStore(storeUrl);
  assert.deepEqual(await storage.list(), []);
  assert.deepEqual(await ownership.list(), []);
  assert.deepEqual((await objects.list({ prefix: 'pins/' })).objects, []);
  assert.deepEqual(await readdir(host.places.operationsDirectory), []);
}

/** Restores it on a host that has nothing, which then runs what the source had. */
async function assertRestorable(name: string, storeUrl: string, vmId: string): Promise<void> {
  const target = await hosts.start(name);
  const { vm } = await claimIn(target, storeUrl);
  assert.equal(vm.id, vmId);
  const [machine] = hosts.machines.ofVm(vm.id);
  const [original] = hosts.machines.ofVm(dev.id);
  assert.ok(machine !== undefined && original !== undefined);
  assert.equal(memoryOf(machine), memoryOf(original));
  assert.ok(machine.generation > original.generation, 'its guest knows that it was restored');
}

test('a file becomes a package with its image, and any host restores it', async () => {
  const [daemon, storeUrl] = [await hosts.start('depositor'), await newStore()];
  await hosts.installImage('depositor');
  const told: [string, number | undefined, number | undefined][] = [];
  const listener = {
    progress: (phase: string, _item?: string, done?: number, total?: number): void =>
      void told.push([phase, done, total]),
    notice: (text: string): void => assert.fail(text),
  };
  const options = { listener, signal: quiet.signal };
  const { package: made, epoch } = await deposit(daemon, streamOf(blobs[2], 5000), { storeUrl }, options);
  assert.equal(epoch, 1);
  assert.notEqual(made.metadata.vmId, dev.id);
  assert.equal(made.metadata.kind, 'teleport');
  assert.equal(made.metadata.message, 'before');
  assert.ok(made.imageFiles.length > 0);
  assert.deepEqual(new Set(told.map(([phase]) => phase)), new Set(['image', 'import', 'publish']));
  const imports = told.filter(([phase]) => phase === 'import');
  assert.deepEqual(imports.at(-1)?.[1], imports.at(-1)?.[2], 'all of it has come');
  assert.deepEqual(await readdir(daemon.host.places.vmsDirectory), [], 'nothing is kept here');
  assert.deepEqual(await readdir(daemon.host.places.blobDirectory), []);
  await refusedAs(deposit(daemon, streamOf(blobs[2], 5000), { storeUrl }), 'name_taken');
  const twin = await deposit(daemon, streamOf(blobs[2], 5000), { storeUrl, name: 'twin' });
  assert.deepEqual(twin.package.sizes.sharedBytes > 0, true, 'the image is there already');
  await assertRestorable('anywhere', storeUrl, made.metadata.vmId);
});

test('without the image here the package does not carry it, and that is said', async () => {
  const [daemon, storeUrl] = [await hosts.start('bare'), await newStore()];
  const notices: string[] = [];
  const listener = { progress: () => undefined, notice: (text: string) => void notices.push(text) };
  const options = { listener, signal: quiet.signal };
  const { package: made } = await deposit(daemon, streamOf(blobs[2], 5000), { storeUrl }, options);
  assert.deepEqual(made.imageFiles, []);
  assert.match(notices.join(), /is not on this host, so the package does not carry it/);
  await hosts.installImage('has-image');
  await assertRestorable('has-image', storeUrl, made.metadata.vmId);
});

test('into an encrypted store it is sealed, and only its recipients restore it', async () => {
  const store = await encryptedDirectory();
  try {
    await hosts.installImage('keeper');
    await cp(`${store.home}/keys`, `${hosts.home('keeper')}/keys`, { recursive: true });
    const { url: storeUrl } = store;
    const stranger = await hosts.start('stranger');
    await refusedAs(deposit(stranger, streamOf(blobs[2], 5000), { storeUrl }), 'permission_denied');
    const keeper = await hosts.start('keeper');
    const { package: made, recipientCount } = await deposit(keeper, streamOf(blobs[2], 5000), { storeUrl });
    assert.deepEqual([made.isEncrypted, recipientCount], [true, 1]);
    await refusedAs(claimIn(stranger, storeUrl), 'permission_denied');
    await cp(`${store.home}/keys`, `${hosts.home('reader')}/keys`, { recursive: true });
    await assertRestorable('reader', storeUrl, made.metadata.vmId);
  } finally {
    await store.close();
  }
});

test('version 1 needs a word that its disk is lost, and the image’s empty disk', async () => {
  const [daemon, storeUrl] = [await hosts.start('older'), await newStore()];
  await refusedAs(deposit(daemon, streamOf(blobs[1], 50_000), { storeUrl }), 'invalid_argument');
  const request = { storeUrl, withoutDisk: true };
  await refusedAs(deposit(daemon, streamOf(blobs[1], 50_000), request), 'image_not_found');
  await assertNothing(daemon, storeUrl);
  await hosts.installImage('older');
  const { package: made } = await deposit(daemon, streamOf(blobs[1], 50_000), request);
  assert.ok(made.sizes.diskBytes > 0, 'a page of the image’s disk');
  await assertRestorable('older-anywhere', storeUrl, made.metadata.vmId);
});

test('what is cut, damaged, too long or no package leaves nothing', async () => {
  const [daemon, storeUrl] = [await hosts.start('careful'), await newStore()];
  const whole = blobs[2];
  const places = Array.from({ length: 12 }, (_, part) => Math.floor((whole.byteLength * part) / 12));
  for (const length of [...places, whole.byteLength - 33, whole.byteLength - 1])
    await refusedAs(
      deposit(daemon, streamOf(whole.subarray(0, length), 5000), { storeUrl }),
      'package_corrupt',
    );
  for (const offset of [...places, whole.byteLength - 40, whole.byteLength - 3]) {
    const flipped = whole.slice();
    flipped[offset] = (flipped[offset] ?? 0) ^ 0x40;
    await assert.rejects(deposit(daemon, streamOf(flipped, 5000), { storeUrl }));
  }
  const longer = concat([whole, patternBytes(1, 1)]);
  await refusedAs(deposit(daemon, streamOf(longer, 5000), { storeUrl }), 'package_corrupt');
  await refusedAs(deposit(daemon, streamOf(patternBytes(100_000, 1), 5000), { storeUrl }), 'package_corrupt');
  await assertNothing(daemon, storeUrl);
});

test('canceled, or refused a name like an id, it leaves nothing', async () => {
  const [daemon, storeUrl] = [await hosts.start('hasty'), await newStore()];
  const controller = new AbortController();
  const listener = { progress: () => controller.abort(), notice: () => undefined };
  const options = { listener, signal: controller.signal };
  await refusedAs(deposit(daemon, streamOf(blobs[2], 5000), { storeUrl }, options), 'canceled');
  const name = '00000000-0000-4000-8000-000000000001';
  await refusedAs(deposit(daemon, streamOf(blobs[2], 5000), { storeUrl, name }), 'invalid_argument');
  await assertNothing(daemon, storeUrl);
});
