/** The contract of `TeleportStorage` as tests; it runs over every kind of store. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { concat } from '../../src/base/bytes.ts';
import type { Bytes } from '../../src/base/bytes.ts';
import { KelpieError } from '../../src/base/errors.ts';
import { PAGE_BYTES } from '../../src/base/units.ts';
import { PACK_HEADER_BYTES } from '../../src/store/packages/pack-header.ts';
import type { OpenPackage, TeleportStorage, TransferProgress } from '../../src/store/teleport-storage.ts';
import { collect } from './collect.ts';
import { MemoryFile } from './memory-file.ts';
import { SampleHost, sampleBytes, sampleImageFile, sourceOf } from './sample-host.ts';
import { patternBytes, sampleConfig, sampleMetadata } from './sample-package.ts';
import { refusedAs } from './store-fixture.ts';
import type { Contents } from './sample-host.ts';
import type { CreateStoreFixture, StoreFixture } from './store-fixture.ts';

const TIMEOUT_MS = 200_000;
/** Four packs of what cannot be compressed. */
const LARGE_PAGES = 4 * 4096;

type Check = (world: {
  readonly storage: TeleportStorage;
  readonly fixture: StoreFixture;
  readonly host: SampleHost;
}) => Promise<void>;
type Promised = (sentence: string, check: Check) => void;

export function teleportStorageSuite(implementation: string, createFixture: CreateStoreFixture): void {
  const promise: Promised = (sentence, check) => {
    test(`${implementation}: ${sentence}`, { timeout: TIMEOUT_MS }, async () => {
      const fixture = await createFixture();
      const host = await SampleHost.create();
      try {
        await check({ storage: (await fixture.open()).storage, fixture, host });
      } finally {
        await host.close();
        await fixture.close();
      }
    });
  };
  packagesSuite(promise);
  sharingSuite(promise);
  failedUploadsSuite(promise);
  damageSuite(promise);
}

/** Everything that is in a package. */
async function readAll(opened: OpenPackage): Promise<{ memory: Bytes; disk: Bytes; deviceState: Bytes }> {
  const read = async (paged: 'memory' | 'disk'): Promise<Bytes> => {
    const { pageCount } = await opened.map(paged);
    const file = new MemoryFile(pageCount * PAGE_BYTES);
    await opened.fetchPages(paged, file);
    return file.bytes;
  };
  const deviceState = concat(await collect(opened.deviceState()));
  for (const { name } of opened.package.imageFiles) await collect(opened.imageFile(name));
  return { memory: await read('memory'), disk: await read('disk'), deviceState };
}

function packagesSuite(promise: Promised): void {
  promise('another client reads what one has published', async ({ storage, fixture, host }) => {
    const memory: Contents = { 0: 1, 1: 2, 2: 3, 300: 4, 511: 5 };
    const disk: Contents = { 17: 6, 255: 7 };
    const rootfs = patternBytes(1_500_000, 9);
    const seen: TransferProgress[] = [];
    const source = await host.source({
      memory: await host.pages(memory),
      disk: await host.pages(disk, 1),
      deviceState: sourceOf(patternBytes(70_001, 8)),
      imageFiles: [sampleImageFile('rootfs', rootfs), sampleImageFile('kernel', patternBytes(7, 1))],
    });
    const published = await storage.upload(source, { onProgress: (progress) => void seen.push(progress) });
    assert.ok(seen.some(({ item, doneBytes, totalBytes }) => item === 'memory' && doneBytes === totalBytes));
    const { storage: reader } = await fixture.open();
    const opened = await reader.download(published.id);
    assert.deepEqual(opened.package, published);
    assert.deepEqual(published.metadata, source.metadata);
    assert.equal(published.sizes.memoryBytes, 5 * PAGE_BYTES);
    assert.equal(published.sizes.diskBytes, 2 * PAGE_BYTES);
    const read = await readAll(opened);
    assert.deepEqual(Buffer.from(read.memory), Buffer.from(sampleBytes(memory)));
    assert.deepEqual(Buffer.from(read.disk), Buffer.from(sampleBytes(disk, 1)));
    assert.deepEqual(Buffer.from(read.deviceState), Buffer.from(patternBytes(70_001, 8)));
    assert.deepEqual(Buffer.from(concat(await collect(opened.imageFile('rootfs')))), Buffer.from(rootfs));
    await refusedAs(collect(opened.imageFile('initramfs')), 'not_found');
  });

  promise('an empty store has nothing, and that is no error', async ({ storage }) => {
    assert.deepEqual(await storage.list(), []);
    await storage.delete('0'.repeat(64));
  });

  promise('what is no id names no package', async ({ storage }) => {
    for (const id of ['0'.repeat(64), '', '..', '../packages', `${'0'.repeat(63)}/`, 'A'.repeat(64)]) {
      await refusedAs(storage.download(id), 'package_not_found');
      await storage.delete(id);
    }
  });

  promise(
    'packages are listed newest first, as far as the store tells the time',
    async ({ storage, host }) => {
      const ids = new Set<string>();
      for (const number of [1, 2, 3]) ids.add((await storage.upload(await host.source({ number }))).id);
      const times: number[] = [];
      for (const listing of await storage.list()) {
        assert.ok(!listing.damaged && ids.delete(listing.package.id));
        times.push(listing.publishedAtUnixMs);
      }
      assert.equal(ids.size, 0);
      assert.deepEqual(
        times,
        times.toSorted((a, b) => b - a),
      );
    },
  );

  promise('a deleted package is gone, and the others are not', async ({ storage, host }) => {
    const memory = await host.pages({ 1: 1, 2: 2 });
    const first = await storage.upload(await host.source({ number: 1, memory }));
    const second = await storage.upload(await host.source({ number: 2, memory }));
    await storage.delete(first.id);
    await storage.delete(first.id);
    await refusedAs(storage.download(first.id), 'package_not_found');
    assert.equal((await storage.list()).length, 1);
    await readAll(await storage.download(second.id));
  });

  promise(
    'a host is refused what its architecture cannot run, before any bytes',
    async ({ storage, fixture, host }) => {
      const bound = await storage.upload(await host.source());
      const config = { ...sampleConfig, memoryMib: 2, diskMib: 2, portability: 'any' } as const;
      const free = await storage.upload(await host.source({ number: 2, metadata: { config } }));
      const { storage: other } = await fixture.open('arm64');
      assert.equal(other.hostArchitecture, 'arm64');
      await refusedAs(other.downloadForRestore(bound.id), 'restore_incompatible');
      assert.equal((await other.download(bound.id)).package.id, bound.id);
      assert.equal((await other.downloadForRestore(free.id)).package.id, free.id);
      assert.equal((await storage.downloadForRestore(bound.id)).package.id, bound.id);
    },
  );

  promise('a reader may stop in the middle of a stream', async ({ storage, host }) => {
    const deviceState = sourceOf(patternBytes(3_000_000, 1));
    const opened = await storage.download((await storage.upload(await host.source({ deviceState }))).id);
    for await (const chunk of opened.deviceState()) {
      assert.ok(chunk.byteLength > 0);
      break;
    }
    await readAll(opened);
  });
}

function sharingSuite(promise: Promised): void {
  promise('what the store has is not sent again: pages, and the image', async ({ storage, host }) => {
    const before: Contents = Object.fromEntries(Array.from({ length: 500 }, (_, page) => [page, page + 1]));
    const memory = await host.pages(before);
    const imageFiles = [sampleImageFile('rootfs', sampleBytes({ 0: 900, 255: 901 }, 1))];
    const first = await storage.upload(await host.source({ memory, imageFiles }));
    const second = await storage.upload(
      await host.source({ number: 2, memory, imageFiles, parentId: first.id }),
    );
    assert.ok(first.sizes.ownBytes > 500 * PAGE_BYTES);
    assert.ok(second.sizes.ownBytes < 4 * PAGE_BYTES, `${second.sizes.ownBytes} bytes were sent again`);
    assert.ok(second.sizes.sharedBytes >= 500 * PAGE_BYTES);
    assert.equal(second.parentId, first.id);
    const read = await readAll(await storage.download(second.id));
    assert.deepEqual(Buffer.from(read.memory), Buffer.from(sampleBytes(before)));
  });

  promise('pages that were written and did not change are found by comparing', async ({ storage, host }) => {
    const before: Contents = Object.fromEntries(Array.from({ length: 500 }, (_, page) => [page, page + 1]));
    const base = { memory: await host.pages(before), disk: await host.pages({}) };
    await storage.upload(await host.source({ ...base }));
    const after: Contents = { ...before, 8: 9999 };
    const written = { memory: await host.pages(after), disk: await host.pages({}) };
    const second = await storage.upload(await host.source({ number: 2, ...written, base }));
    assert.ok(second.sizes.ownBytes < 6 * PAGE_BYTES, `${second.sizes.ownBytes} bytes were sent`);
    const read = await readAll(await storage.download(second.id));
    assert.deepEqual(Buffer.from(read.memory), Buffer.from(sampleBytes(after)));
  });

  promise('what a publisher remembers may be out of date', async ({ storage, fixture, host }) => {
    const contents: Contents = { 1: 1, 2: 2 };
    const memory = await host.pages(contents);
    await storage.upload(await host.source({ memory }));
    for (const name of await fixture.objects.names())
      if (!name.endsWith('store.json')) await fixture.objects.remove(name);
    const { id } = await storage.upload(await host.source({ number: 2, memory }));
    const read = await readAll(await storage.download(id));
    assert.deepEqual(Buffer.from(read.memory), Buffer.from(sampleBytes(contents)));
  });

  promise('several may publish the same at once', async ({ storage, fixture, host }) => {
    const memory = await host.pages({ 1: 1, 2: 2 });
    const clients = await Promise.all([1, 2, 3, 4].map(async () => await fixture.open()));
    const published = await Promise.all(
      clients.map(async (client) => await client.storage.upload(await host.source({ memory }))),
    );
    for (const { id } of published) await readAll(await storage.download(id));
  });
}

function failedUploadsSuite(promise: Promised): void {
  const expectNothing = async (storage: TeleportStorage, fixture: StoreFixture): Promise<void> => {
    assert.deepEqual(await storage.list(), []);
    const left = (await fixture.objects.names()).filter((name) => /^(?:packages|pins)\//.test(name));
    assert.deepEqual(left, [], 'nothing of a failed upload can be seen, and nothing is pinned');
  };

  promise('a stream of another length than was said is not published', async ({ storage, fixture, host }) => {
    for (const sizeBytes of [56, 58]) {
      const deviceState = { ...sourceOf(patternBytes(57, 2)), sizeBytes };
      await refusedAs(storage.upload(await host.source({ deviceState })), 'snapshot_corrupt');
    }
    await expectNothing(storage, fixture);
  });

  promise(
    "a source's own failure is told as it is, and nothing is published",
    async ({ storage, fixture, host }) => {
      const failure = new KelpieError('snapshot_corrupt', 'a page file is missing.');
      const broken = async function* (): AsyncGenerator<Bytes> {
        yield patternBytes(10, 1);
        throw failure;
      };
      const source = await host.source({ deviceState: { sizeBytes: 57, bytes: broken } });
      await assert.rejects(storage.upload(source), (error) => error === failure);
      await expectNothing(storage, fixture);
    },
  );

  promise(
    'a canceled upload says so; the next one goes on where it stopped',
    async ({ storage, fixture, host }) => {
      await refusedAs(storage.upload(await host.source(), { signal: AbortSignal.abort() }), 'canceled');
      await expectNothing(storage, fixture);
      const contents: Contents = Object.fromEntries(
        Array.from({ length: LARGE_PAGES }, (_, page) => [page, page + 1]),
      );
      const memory = await host.pages(contents, LARGE_PAGES / 256);
      const controller = new AbortController();
      const cut = storage.upload(await host.source({ memory }), {
        signal: controller.signal,
        onProgress: ({ item, doneBytes, totalBytes }) => {
          if (item === 'memory' && doneBytes > totalBytes * 0.7) controller.abort();
        },
      });
      await refusedAs(cut, 'canceled');
      await expectNothing(storage, fixture);
      const { id, sizes } = await storage.upload(await host.source({ memory }));
      assert.ok(sizes.sharedBytes > 0, 'what had arrived was not sent again');
      assert.ok(sizes.ownBytes < LARGE_PAGES * PAGE_BYTES);
      const read = await readAll(await storage.download(id));
      assert.ok(Buffer.from(read.memory).equals(sampleBytes(contents, LARGE_PAGES / 256)));
    },
  );

  promise('metadata that nobody could read back is not published', async ({ storage, fixture, host }) => {
    const machine = { ...sampleMetadata.machine, cpuModel: 'max,+hack' };
    await refusedAs(storage.upload(await host.source({ metadata: { machine } })), 'package_corrupt');
    await expectNothing(storage, fixture);
  });
}

function damageSuite(promise: Promised): void {
  promise('every damaged, cut, longer and missing object is noticed', async ({ storage, fixture, host }) => {
    const { objects } = fixture;
    const source = await host.source({ imageFiles: [sampleImageFile('kernel', patternBytes(40, 1))] });
    const { id } = await storage.upload(source);
    const names = (await objects.names()).filter((name) => /^(?:packages|packs)\//.test(name));
    assert.ok(names.length >= 2, names.join());
    const expectDamaged = async (how: string): Promise<void> => {
      const attempt = async (): Promise<unknown> => await readAll(await storage.download(id));
      await assert.rejects(
        attempt,
        (error) => error instanceof KelpieError && /^package_(?:corrupt|not_found)$/.test(error.code),
        `${how} was not noticed`,
      );
    };
    for (const name of names) {
      const whole = await objects.read(name);
      const step = Math.max(1, Math.floor(whole.byteLength / 60));
      // The header of a pack is for people and sweeps; a reader goes by the digests of frames.
      const first = name.startsWith('packs/') ? PACK_HEADER_BYTES : 0;
      for (let index = first; index < whole.byteLength; index += step) {
        await objects.write(name, whole.with(index, (whole[index] ?? 0) ^ (1 << (index % 8))));
        await expectDamaged(`byte ${index} of ${name}`);
        await objects.write(name, whole.slice(0, index));
        await expectDamaged(`a cut of ${name} at ${index}`);
      }
      await objects.remove(name);
      await expectDamaged(`the missing ${name}`);
      await objects.write(name, whole);
    }
    await readAll(await storage.download(id));
  });

  promise('a damaged package is listed as such, beside whole ones', async ({ storage, fixture, host }) => {
    const whole = await storage.upload(await host.source({ number: 1 }));
    const damaged = await storage.upload(await host.source({ number: 2 }));
    const name = `packages/${damaged.id}`;
    await fixture.objects.write(name, (await fixture.objects.read(name)).slice(1));
    const listed = await storage.list();
    assert.deepEqual(
      new Set(listed.map((listing) => (listing.damaged ? listing.id : listing.package.id))),
      new Set([whole.id, damaged.id]),
    );
    for (const listing of listed) {
      if (!listing.damaged) assert.equal(listing.package.id, whole.id);
      else assert.match(listing.reason, /\.$/);
    }
  });
}
