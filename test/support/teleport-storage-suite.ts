/** The contract of `TeleportStorage` as tests; every implementation runs all of it. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { concat } from '../../src/base/bytes.ts';
import type { Bytes } from '../../src/base/bytes.ts';
import { MIB } from '../../src/base/units.ts';
import { KelpieError } from '../../src/base/errors.ts';
import type { TeleportStorage, TransferProgress } from '../../src/store/teleport-storage.ts';
import { collect } from './collect.ts';
import {
  patternBytes,
  sampleBlob,
  sampleConfig,
  sampleMetadata,
  samplePackage,
  sha256,
  smallContents,
  streamOf,
} from './sample-package.ts';
import { refusedAs } from './store-fixture.ts';
import type { CreateStoreFixture, StoreFixture } from './store-fixture.ts';

const TIMEOUT_MS = 60_000;

async function readAll(storage: TeleportStorage, id: string): Promise<void> {
  const opened = await storage.download(id);
  for (const { name } of opened.package.segments) for await (const _ of opened.segment(name));
}

export function teleportStorageSuite(implementation: string, createFixture: CreateStoreFixture): void {
  const promise = (
    sentence: string,
    check: (storage: TeleportStorage, fixture: StoreFixture) => Promise<void>,
  ): void => {
    test(`${implementation}: ${sentence}`, { timeout: TIMEOUT_MS }, async () => {
      const fixture = await createFixture();
      try {
        await check((await fixture.open()).storage, fixture);
      } finally {
        await fixture.close();
      }
    });
  };
  packagesSuite(promise);
  failedUploadsSuite(promise);
  damageSuite(promise);
  blobsSuite(promise);
}

type Promised = (
  sentence: string,
  check: (storage: TeleportStorage, fixture: StoreFixture) => Promise<void>,
) => void;

function packagesSuite(promise: Promised): void {
  promise('another client reads what one has published', async (storage, fixture) => {
    const contents = {
      'device-state': patternBytes(1, 1),
      memory: patternBytes(3 * MIB + 7, 2),
      disk: new Uint8Array(0),
    };
    const seen: TransferProgress[] = [];
    const published = await storage.upload(samplePackage(contents), {
      onProgress: (progress) => void seen.push(progress),
    });
    assert.deepEqual(seen.at(-1), { item: 'memory', doneBytes: 3 * MIB + 7, totalBytes: 3 * MIB + 7 });
    const { storage: reader } = await fixture.open();
    const opened = await reader.download(published.id);
    assert.deepEqual(opened.package, published);
    assert.deepEqual(published.metadata, samplePackage().metadata);
    for (const [name, bytes] of Object.entries(contents)) {
      const info = published.segments.find((segment) => segment.name === name);
      assert.deepEqual(info, { name, sizeBytes: bytes.byteLength, sha256: sha256(bytes) });
      if (info !== undefined)
        assert.deepEqual(concat(await collect(opened.segment(info.name))), new Uint8Array(bytes));
    }
  });

  promise('an empty store has nothing, and that is no error', async (storage) => {
    assert.deepEqual(await storage.list(), []);
    await storage.delete('0'.repeat(64));
    assert.deepEqual(await storage.sweep(), { removed: 0, removedBytes: 0 });
  });

  promise('what is no id names no package', async (storage) => {
    for (const id of ['0'.repeat(64), '', '..', '../packages', `${'0'.repeat(63)}/`, 'A'.repeat(64)]) {
      await refusedAs(storage.download(id), 'package_not_found');
      await storage.delete(id);
    }
  });

  promise(
    'the same content has the same id, published twice or four times at once',
    async (storage, fixture) => {
      const { id } = await storage.upload(samplePackage());
      assert.equal((await storage.upload(samplePackage())).id, id);
      const clients = await Promise.all([1, 2, 3, 4].map(async () => await fixture.open()));
      const ids = await Promise.all(
        clients.map(async (client) => (await client.storage.upload(samplePackage(smallContents, 2))).id),
      );
      assert.equal(new Set(ids).size, 1);
      assert.equal((await storage.list()).length, 2);
      for (const published of [id, ...ids]) await readAll(storage, published);
      assert.notEqual(ids[0], id);
    },
  );

  promise('packages are listed newest first, with their sizes', async (storage) => {
    const ids: string[] = [];
    for (const number of [1, 2, 3]) {
      ids.unshift((await storage.upload(samplePackage(smallContents, number))).id);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const listed = await storage.list();
    assert.deepEqual(
      listed.map((listing) => (listing.damaged ? listing.id : listing.package.id)),
      ids,
    );
    for (const listing of listed) assert.equal(!listing.damaged && listing.sizeBytes, 80);
  });

  promise('a deleted package is gone, and the others are not', async (storage) => {
    const [first, second] = [
      await storage.upload(samplePackage(smallContents, 1)),
      await storage.upload(samplePackage(smallContents, 2)),
    ];
    await storage.delete(first.id);
    await storage.delete(first.id);
    await refusedAs(storage.download(first.id), 'package_not_found');
    assert.equal((await storage.list()).length, 1);
    await readAll(storage, second.id);
    assert.equal((await storage.upload(samplePackage(smallContents, 1))).id, first.id);
    await readAll(storage, first.id);
  });

  promise(
    'a host is refused what its architecture cannot run, before any bytes',
    async (storage, fixture) => {
      const bound = await storage.upload(samplePackage());
      const free = await storage.upload(
        samplePackage(smallContents, 2, { config: { ...sampleConfig, portability: 'any' } }),
      );
      const { storage: other } = await fixture.open('arm64');
      assert.equal(other.hostArchitecture, 'arm64');
      await refusedAs(other.downloadForRestore(bound.id), 'restore_incompatible');
      assert.equal((await other.download(bound.id)).package.id, bound.id);
      assert.equal((await other.downloadForRestore(free.id)).package.id, free.id);
      assert.equal((await storage.downloadForRestore(bound.id)).package.id, bound.id);
    },
  );

  promise('a reader may stop in the middle of a segment', async (storage) => {
    const { id } = await storage.upload(samplePackage({ memory: patternBytes(3 * MIB, 1) }));
    const opened = await storage.download(id);
    for await (const chunk of opened.segment('memory')) {
      assert.ok(chunk.byteLength > 0);
      break;
    }
    await readAll(storage, id);
    await refusedAs(collect(opened.segment('disk')), 'package_corrupt');
  });
}

function failedUploadsSuite(promise: Promised): void {
  const expectNothing = async (storage: TeleportStorage, fixture: StoreFixture): Promise<void> => {
    assert.deepEqual(await storage.list(), []);
    await storage.sweep();
    const left = (await fixture.objects.names()).filter((name) => /packages|uploads|blobs/.test(name));
    assert.deepEqual(left, [], 'a failed upload leaves nothing that a sweep does not remove');
  };

  promise('a stream of another length than was said is not published', async (storage, fixture) => {
    for (const sizeBytes of [56, 58]) {
      const bytes = patternBytes(57, 2);
      const segments = [{ name: 'memory', sizeBytes, bytes: () => streamOf(bytes) }] as const;
      await refusedAs(storage.upload({ ...samplePackage(), segments }), 'snapshot_corrupt');
    }
    await expectNothing(storage, fixture);
  });

  promise("a stream's own failure is told as it is, and nothing is published", async (storage, fixture) => {
    const failure = new KelpieError('snapshot_corrupt', 'a page file is missing.');
    const broken = async function* (): AsyncGenerator<Bytes> {
      yield patternBytes(10, 1);
      throw failure;
    };
    const segments = [{ name: 'memory', sizeBytes: 57, bytes: broken }] as const;
    await assert.rejects(storage.upload({ ...samplePackage(), segments }), (error) => error === failure);
    await expectNothing(storage, fixture);
  });

  promise('a canceled upload says so, and nothing is published', async (storage, fixture) => {
    const early = AbortSignal.abort();
    await refusedAs(storage.upload(samplePackage(), { signal: early }), 'canceled');
    const controller = new AbortController();
    const options = { signal: controller.signal, onProgress: () => controller.abort() };
    await refusedAs(storage.upload(samplePackage({ memory: patternBytes(5000, 1) }), options), 'canceled');
    await expectNothing(storage, fixture);
  });

  promise('metadata that nobody could read back is not published', async (storage, fixture) => {
    const machine = { ...sampleMetadata.machine, cpuModel: 'max,+hack' };
    await refusedAs(storage.upload(samplePackage(smallContents, 1, { machine })), 'package_corrupt');
    await expectNothing(storage, fixture);
  });

  promise('a sweep leaves uploads alone that are under way', async (storage, fixture) => {
    const bytes = patternBytes(3000, 1);
    const { storage: sweeper } = await fixture.open();
    let swept = 0;
    const slow = async function* (): AsyncGenerator<Bytes> {
      for await (const chunk of streamOf(bytes)) {
        yield chunk;
        swept += (await sweeper.sweep()).removed;
      }
    };
    const segments = [{ name: 'memory', sizeBytes: bytes.byteLength, bytes: slow }] as const;
    const { id } = await storage.upload({ ...samplePackage(), segments });
    assert.equal(swept, 0);
    await readAll(storage, id);
  });

  promise('publishers and sweepers at the same time do not disturb each other', async (storage, fixture) => {
    const publishing = { isDone: false };
    const sweep = async (): Promise<void> => {
      const { storage: sweeper } = await fixture.open();
      while (!publishing.isDone) await sweeper.sweep();
    };
    const publish = async (number: number): Promise<string> => {
      const client = await fixture.open();
      return (await client.storage.upload(samplePackage(smallContents, number))).id;
    };
    const sweeping = [sweep(), sweep()];
    const ids = await Promise.all(Array.from({ length: 8 }, async (_, number) => await publish(number)));
    publishing.isDone = true;
    await Promise.all(sweeping);
    for (const id of ids) await readAll(storage, id);
    await storage.sweep();
    assert.ok(!(await fixture.objects.names()).some((name) => name.includes('uploads/')), 'nothing is left');
  });
}

function damageSuite(promise: Promised): void {
  const expectDamaged = async (storage: TeleportStorage, id: string, how: string): Promise<void> => {
    await assert.rejects(
      readAll(storage, id),
      (error) =>
        error instanceof KelpieError && ['package_corrupt', 'package_not_found'].includes(error.code),
      `${how} was not noticed`,
    );
  };

  promise(
    'every flipped byte, every truncation, and every missing or longer object is noticed',
    async (storage, { objects }) => {
      const before = new Set(await objects.names());
      const { id } = await storage.upload(samplePackage());
      const mine = (await objects.names()).filter((name) => name.includes('packages/') && !before.has(name));
      assert.ok(mine.length >= 4, 'there are a manifest and three segments');
      for (const name of mine) {
        const whole = await objects.read(name);
        for (let index = 0; index < whole.byteLength; index += 1) {
          const flipped = whole.slice();
          flipped[index] = (flipped[index] ?? 0) ^ (1 << (index % 8));
          await objects.write(name, flipped);
          await expectDamaged(storage, id, `byte ${index} of ${name}`);
        }
        for (let length = 0; length < whole.byteLength; length += 1) {
          await objects.write(name, whole.slice(0, length));
          await expectDamaged(storage, id, `a cut of ${name} at ${length}`);
        }
        await objects.write(name, concat([whole, new Uint8Array(1)]));
        await expectDamaged(storage, id, `a byte more in ${name}`);
        await objects.remove(name);
        await expectDamaged(storage, id, `the missing ${name}`);
        await objects.write(name, whole);
      }
      await readAll(storage, id);
    },
  );

  promise(
    'a damaged package is listed as such, beside whole ones, and publishing it again repairs it',
    async (storage, { objects }) => {
      const whole = await storage.upload(samplePackage(smallContents, 1));
      const damaged = await storage.upload(samplePackage(smallContents, 2));
      const names = (await objects.names()).filter((name) => name.includes(damaged.id));
      for (const name of names) {
        const bytes = await objects.read(name);
        await objects.write(name, concat([bytes, new Uint8Array(1)]));
        const listed = await storage.list();
        assert.equal(listed.length, 2);
        const isEmptyDisk = bytes.byteLength === 0;
        for (const listing of listed) {
          if (!listing.damaged) assert.equal(listing.package.id, whole.id, isEmptyDisk ? name : undefined);
          else assert.match(listing.reason, /\.$/);
        }
        assert.equal((await storage.upload(samplePackage(smallContents, 2))).id, damaged.id);
        await readAll(storage, damaged.id);
      }
    },
  );
}

function blobsSuite(promise: Promised): void {
  const bytes = patternBytes(2 * MIB + 5, 9);
  const blob = sampleBlob(bytes);

  promise('a blob is sent once and read by all', async (storage, fixture) => {
    let sent = 0;
    const counted = (): AsyncIterable<Bytes> => {
      sent += 1;
      return streamOf(bytes, 100_000);
    };
    await storage.uploadBlob(blob, counted);
    const { storage: other } = await fixture.open();
    await other.uploadBlob(blob, counted);
    assert.equal(sent, 1);
    assert.deepEqual(concat(await collect(other.downloadBlob(blob))), bytes);
    const published = await other.upload({ ...samplePackage(), imageFiles: [blob] });
    assert.deepEqual((await storage.download(published.id)).package.imageFiles, [blob]);
  });

  promise(
    'a blob that is not there is not found, and a package that names it is not published',
    async (storage) => {
      await refusedAs(collect(storage.downloadBlob(blob)), 'not_found');
      await refusedAs(storage.upload({ ...samplePackage(), imageFiles: [blob] }), 'not_found');
      assert.deepEqual(await storage.list(), []);
    },
  );

  promise('bytes that are not those of the blob are refused', async (storage) => {
    const other = patternBytes(bytes.byteLength, 10);
    await refusedAs(
      storage.uploadBlob(blob, () => streamOf(other, 100_000)),
      'image_corrupt',
    );
    await refusedAs(
      storage.uploadBlob(blob, () => streamOf(bytes.slice(1), 100_000)),
      'snapshot_corrupt',
    );
    await refusedAs(collect(storage.downloadBlob(blob)), 'not_found');
  });

  promise('a damaged blob is noticed', async (storage, { objects }) => {
    const small = patternBytes(40, 3);
    const reference = sampleBlob(small);
    await storage.uploadBlob(reference, () => streamOf(small));
    const name = (await objects.names()).find((candidate) => candidate.includes(reference.sha256));
    assert.ok(name !== undefined);
    for (const [index, byte] of small.entries()) {
      await objects.write(name, small.with(index, byte ^ 1));
      await refusedAs(collect(storage.downloadBlob(reference)), 'package_corrupt');
    }
    await objects.write(name, small.slice(1));
    await refusedAs(collect(storage.downloadBlob(reference)), 'package_corrupt');
    await storage.uploadBlob(reference, () => streamOf(small));
    assert.deepEqual(concat(await collect(storage.downloadBlob(reference))), small);
  });
}
