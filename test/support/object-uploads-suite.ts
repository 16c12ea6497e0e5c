/** The part of the contract of `ObjectStore` that is about objects larger than one request. */
import assert from 'node:assert/strict';
import { equalBytes, utf8 } from '../../src/base/bytes.ts';
import type { Bytes } from '../../src/base/bytes.ts';
import { MIB } from '../../src/base/units.ts';
import {
  LARGE_PART_BYTES,
  readLargeObject,
  writeLargeObject,
} from '../../src/store/objects/large-objects.ts';
import { PART_BYTES_MIN } from '../../src/store/objects/limits.ts';
import type { ObjectStore } from '../../src/store/objects/object-store.ts';
import { isStoreTrouble } from '../../src/store/objects/store-trouble.ts';
import type { PromisedOfStore } from './object-store-suite.ts';
import { samplePattern } from './sample-pattern.ts';

const LARGE_BYTES: number = 64 * MIB;

export function uploadsSuite(promise: PromisedOfStore): void {
  promise(
    'an object is written in parts, in any order, and is seen when it is whole',
    async (store, fixture) => {
      const bytes = samplePattern(2 * PART_BYTES_MIN + 100, 5);
      const upload = await store.startUpload('large', PART_BYTES_MIN);
      const other = await fixture.open();
      const part = async (number: number): Promise<ReturnType<ObjectStore['putPart']>> =>
        store.putPart(upload, number, bytes.subarray((number - 1) * PART_BYTES_MIN, number * PART_BYTES_MIN));
      const [third, , first, second] = [await part(3), await part(2), await part(1), await part(2)];
      assert.equal(await other.head('large'), null);
      assert.deepEqual((await other.list({ prefix: '' })).objects, []);
      const { uploads } = await other.listUploads({ prefix: 'la' });
      assert.deepEqual(
        uploads.map(({ key, id }) => [key, id]),
        [['large', upload.id]],
      );
      assert.deepEqual((await other.listUploads({ prefix: 'other' })).uploads, []);
      await store.completeUpload(upload, [first, second, third]);
      const object = await other.get('large');
      assert.ok(object !== null && equalBytes(object.bytes, bytes));
      assert.deepEqual((await other.listUploads({ prefix: '' })).uploads, []);
    },
  );

  promise('an upload that was aborted leaves nothing', async (store) => {
    const upload = await store.startUpload('large', PART_BYTES_MIN);
    const part = await store.putPart(upload, 1, utf8('a part'));
    await store.abortUpload(upload);
    await store.abortUpload(upload);
    assert.deepEqual((await store.listUploads({ prefix: '' })).uploads, []);
    await assert.rejects(store.completeUpload(upload, [part]), (error) =>
      isStoreTrouble(error, 'upload_missing'),
    );
    assert.equal(await store.head('large'), null);
  });

  promise('64 MiB go through memory of a bounded size', async (store) => {
    const chunk = samplePattern(MIB, 6);
    const chunks = async function* (): AsyncGenerator<Bytes> {
      for (let sent = 0; sent < LARGE_BYTES; sent += chunk.byteLength) yield chunk;
    };
    await writeLargeObject(store, 'large', chunks());
    const object = await readLargeObject(store, 'large');
    assert.equal(object?.sizeBytes, LARGE_BYTES);
    let readBytes = 0;
    for await (const bytes of object.bytes) {
      assert.ok(bytes.byteLength <= LARGE_PART_BYTES);
      for (let offset = 0; offset < bytes.byteLength; offset += chunk.byteLength)
        assert.ok(
          Buffer.compare(bytes.subarray(offset, offset + chunk.byteLength), chunk) === 0,
          `at ${readBytes + offset}`,
        );
      readBytes += bytes.byteLength;
    }
    assert.equal(readBytes, LARGE_BYTES);
  });

  promise('a stream that fails leaves nothing behind', async (store) => {
    const failure = new Error('the source fails');
    const chunks = async function* (): AsyncGenerator<Bytes> {
      yield samplePattern(2 * LARGE_PART_BYTES, 7);
      throw failure;
    };
    await assert.rejects(writeLargeObject(store, 'large', chunks()), failure);
    assert.equal(await store.head('large'), null);
    assert.deepEqual((await store.listUploads({ prefix: '' })).uploads, []);
  });
}
