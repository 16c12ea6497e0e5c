/** The contract of `ObjectStore` as tests; every implementation runs all of it, and a real S3 service does. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { equalBytes, fromUtf8, utf8 } from '../../src/base/bytes.ts';
import { MIB } from '../../src/base/units.ts';
import { RECORD_BYTES_MAX } from '../../src/store/objects/limits.ts';
import type { ObjectStore, PutOutcome } from '../../src/store/objects/object-store.ts';
import { isStoreTrouble } from '../../src/store/objects/store-trouble.ts';
import { uploadsSuite } from './object-uploads-suite.ts';
import { samplePattern } from './sample-pattern.ts';
import { refusedAs } from './store-fixture.ts';

const TIMEOUT_MS = 200_000;

/** A new, empty store for one test. */
export interface ObjectsFixture {
  /** Another client of the store, as another host has it. */
  open(): Promise<ObjectStore>;
  close(): Promise<void>;
}

export type CreateObjectsFixture = () => Promise<ObjectsFixture>;

export type PromisedOfStore = (
  sentence: string,
  check: (store: ObjectStore, fixture: ObjectsFixture) => Promise<void>,
) => void;

export function objectStoreSuite(implementation: string, createFixture: CreateObjectsFixture): void {
  const promise: PromisedOfStore = (sentence, check) => {
    test(`${implementation}: ${sentence}`, { timeout: TIMEOUT_MS }, async () => {
      const fixture = await createFixture();
      try {
        await check(await fixture.open(), fixture);
      } finally {
        await fixture.close();
      }
    });
  };
  objectsSuite(promise);
  conditionsSuite(promise);
  racesSuite(promise);
  listsSuite(promise);
  uploadsSuite(promise);
  argumentsSuite(promise);
}

async function textAt(store: ObjectStore, key: string): Promise<string | null> {
  const object = await store.get(key);
  return object === null ? null : fromUtf8(object.bytes);
}

function objectsSuite(promise: PromisedOfStore): void {
  promise('what nobody wrote is not there', async (store) => {
    assert.equal(await store.get('a/b'), null);
    assert.equal(await store.head('a/b'), null);
    assert.equal(await store.get('a/b', { range: { offset: 5, length: 5 } }), null);
    await store.delete('a/b');
    assert.deepEqual(await store.list({ prefix: '' }), { objects: [], next: null });
  });

  promise('an object is read back as it was written, by every client', async (store, fixture) => {
    const other = await fixture.open();
    for (const [key, bytes] of [
      ['empty', new Uint8Array(0)],
      ['a/small', utf8('hello')],
      ['a/b/c.d_e-f', samplePattern(3 * MIB + 17, 1)],
    ] as const) {
      const etag = await store.put(key, bytes);
      const object = await other.get(key);
      assert.ok(object !== null && equalBytes(object.bytes, bytes), key);
      assert.equal(object.etag, etag);
      assert.equal(object.sizeBytes, bytes.byteLength);
      const info = await other.head(key);
      assert.equal(info?.etag, etag);
      assert.equal(info.sizeBytes, bytes.byteLength);
      assert.ok(Math.abs(info.modifiedMs - Date.now()) < 120_000, 'it was written now');
    }
  });

  promise('an object is replaced and deleted', async (store) => {
    const first = await store.put('key', utf8('first'));
    const second = await store.put('key', utf8('second'));
    assert.notEqual(first, second);
    assert.equal(await textAt(store, 'key'), 'second');
    await store.delete('key');
    await store.delete('key');
    assert.equal(await store.head('key'), null);
    assert.equal((await store.putIfAbsent('key', utf8('third'))).result, 'written');
  });

  promise('ranges are exact, and end where the object does', async (store) => {
    for (const size of [10, 2 * MIB]) {
      const bytes = samplePattern(size, 2);
      await store.put('key', bytes);
      for (const [offset, length] of [
        [0, 1],
        [3, 4],
        [0, size],
        [size - 1, 1],
        [size - 2, 100],
        [size, 5],
        [size + 7, 5],
      ] as const) {
        // With an array to read into that is too short, as long, and longer, and without one.
        for (const room of [null, length - 1, length, length + 9]) {
          const into = room === null ? {} : { into: new Uint8Array(room) };
          const object = await store.get('key', { range: { offset, length }, ...into });
          assert.ok(
            object !== null && equalBytes(object.bytes, bytes.subarray(offset, offset + length)),
            `${offset}+${length} into ${room}`,
          );
          assert.equal(object.sizeBytes, size);
        }
      }
    }
  });

  promise('a range of an empty object is empty', async (store) => {
    const etag = await store.put('key', new Uint8Array(0));
    const object = await store.get('key', { range: { offset: 0, length: 3 } });
    assert.equal(object?.bytes.byteLength, 0);
    assert.equal(object.etag, etag);
  });

  promise('a reader sees the object before a replacement or after it', async (store, fixture) => {
    const versions = [samplePattern(MIB + MIB / 2, 3), samplePattern(MIB + 5, 4)] as const;
    await store.put('key', versions[0]);
    const reader = await fixture.open();
    const writing = { isDone: false };
    const reading = (async () => {
      while (!writing.isDone) {
        const object = await reader.get('key');
        assert.ok(
          object !== null && versions.some((version) => equalBytes(version, object.bytes)),
          'one of the two',
        );
      }
    })();
    for (let round = 1; round <= 10; round += 1) await store.put('key', versions[round % 2 === 0 ? 0 : 1]);
    writing.isDone = true;
    await reading;
  });

  promise('a read that asks for a version is refused another', async (store) => {
    const etag = await store.put('key', utf8('first'));
    assert.equal((await store.get('key', { etag }))?.etag, etag);
    await store.put('key', utf8('second'));
    await assert.rejects(store.get('key', { etag }), (error) => isStoreTrouble(error, 'changed'));
  });
}

function conditionsSuite(promise: PromisedOfStore): void {
  promise('an object that exists is not made again', async (store, fixture) => {
    const made = await store.putIfAbsent('key', utf8('first'));
    assert.equal(made.result, 'written');
    assert.deepEqual(await (await fixture.open()).putIfAbsent('key', utf8('second')), { result: 'refused' });
    assert.equal(await textAt(store, 'key'), 'first');
    assert.equal((await store.head('key'))?.etag, made.result === 'written' ? made.etag : null);
  });

  promise('a record is replaced only while it is the one that was read', async (store, fixture) => {
    const first = await store.put('key', utf8('1'));
    const second = await store.putIfMatch('key', first, utf8('2'));
    assert.equal(second.result, 'written');
    const other = await fixture.open();
    assert.deepEqual(await other.putIfMatch('key', first, utf8('3')), { result: 'refused' });
    assert.equal(await textAt(other, 'key'), '2');
    await store.put('key', utf8('4'));
    assert.equal(
      second.result === 'written' && (await other.putIfMatch('key', second.etag, utf8('5'))).result,
      'refused',
    );
    await store.delete('key');
    assert.deepEqual(await other.putIfMatch('key', first, utf8('6')), { result: 'refused' });
    assert.equal(await store.head('key'), null);
  });
}

function winnersOf(outcomes: readonly PutOutcome[]): number[] {
  return outcomes.flatMap(({ result }, index) => (result === 'written' ? [index] : []));
}

function racesSuite(promise: PromisedOfStore): void {
  promise('of writers that race to make an object, one wins', async (store, fixture) => {
    const clients = await Promise.all(Array.from({ length: 6 }, async () => await fixture.open()));
    for (let round = 0; round < 10; round += 1) {
      const key = `race/${round}`;
      const outcomes = await Promise.all(
        clients.map(async (client, index) => await client.putIfAbsent(key, utf8(`writer ${index}`))),
      );
      const winners = winnersOf(outcomes);
      assert.equal(winners.length, 1);
      assert.equal(await textAt(store, key), `writer ${winners[0]}`);
    }
  });

  promise('of writers that race to replace a record, one wins', async (store, fixture) => {
    const clients = await Promise.all(Array.from({ length: 6 }, async () => await fixture.open()));
    await store.put('record', utf8('start'));
    for (let round = 0; round < 15; round += 1) {
      const from = (await store.head('record'))?.etag ?? '';
      const outcomes = await Promise.all(
        clients.map(
          async (client, index) => await client.putIfMatch('record', from, utf8(`${round} by ${index}`)),
        ),
      );
      const winners = winnersOf(outcomes);
      assert.equal(winners.length, 1);
      assert.equal(await textAt(store, 'record'), `${round} by ${winners[0]}`);
    }
  });

  promise('a counter that many increase loses no step', async (store, fixture) => {
    const clients = await Promise.all(Array.from({ length: 3 }, async () => await fixture.open()));
    await store.put('counter', utf8('0'));
    const increase = async (client: ObjectStore): Promise<void> => {
      for (let steps = 0; steps < 8;) {
        const object = await client.get('counter');
        assert.ok(object !== null);
        const next = Number(fromUtf8(object.bytes)) + 1;
        const { result } = await client.putIfMatch('counter', object.etag, utf8(String(next)));
        if (result === 'written') steps += 1;
      }
    };
    await Promise.all(clients.map(increase));
    assert.equal(await textAt(store, 'counter'), '24');
  });
}

function listsSuite(promise: PromisedOfStore): void {
  promise('pages are in order and complete, by prefix and after a key', async (store) => {
    const keys = [
      'a',
      'a-b',
      'a.b',
      'b/a',
      'b/b/c',
      'b/b-c',
      'b/c',
      'b-a',
      'b0',
      'packs/00/x',
      'packs/01/y',
    ].toSorted();
    for (const key of keys) await store.put(key, utf8(key));
    for (const limit of [1, 2, 3, 1000]) {
      for (const prefix of ['', 'a', 'b', 'b/', 'b/b', 'packs/0', 'none']) {
        const seen: string[] = [];
        let after: string | null = null;
        do {
          const page = await store.list({ prefix, limit, ...(after === null ? {} : { after }) });
          assert.ok(page.objects.length <= limit);
          seen.push(...page.objects.map(({ key }) => key));
          for (const { key, sizeBytes } of page.objects) assert.equal(sizeBytes, key.length);
          after = page.next;
        } while (after !== null);
        assert.deepEqual(
          seen,
          keys.filter((key) => key.startsWith(prefix)),
          `${prefix} by ${limit}`,
        );
      }
    }
    const { objects } = await store.list({ prefix: 'b', after: 'b/b' });
    assert.deepEqual(
      objects.map(({ key }) => key),
      keys.filter((key) => key.startsWith('b') && key > 'b/b'),
    );
  });

  promise('a listing shows at once what was written and deleted', async (store, fixture) => {
    const other = await fixture.open();
    await store.put('a', utf8('1'));
    assert.deepEqual(
      (await other.list({ prefix: '' })).objects.map(({ key }) => key),
      ['a'],
    );
    await store.delete('a');
    assert.deepEqual((await other.list({ prefix: '' })).objects, []);
  });
}

function argumentsSuite(promise: PromisedOfStore): void {
  promise('what is no key is refused', async (store) => {
    const long = 'a/'.repeat(300);
    for (const key of [
      '',
      '/a',
      'a/',
      'a//b',
      '..',
      'a/../b',
      '.a',
      'a/.b',
      'A',
      'a b',
      'a\0',
      'ä',
      `${long}a`,
      'a'.repeat(250),
    ]) {
      await refusedAs(store.put(key, utf8('x')), 'invalid_argument');
      await refusedAs(store.get(key), 'invalid_argument');
      await refusedAs(store.delete(key), 'invalid_argument');
    }
    await refusedAs(store.list({ prefix: '../' }), 'invalid_argument');
    await refusedAs(store.putIfMatch('a', 'tag', new Uint8Array(RECORD_BYTES_MAX + 1)), 'limit_exceeded');
  });

  promise('what was canceled before it began is not done', async (store) => {
    const reason = new Error('enough');
    const signal = AbortSignal.abort(reason);
    await assert.rejects(store.put('key', utf8('x'), { signal }), reason);
    await assert.rejects(store.get('key', { signal }), reason);
    assert.equal(await store.head('key'), null);
  });

  promise('bytes that the caller gets or gives are not shared', async (store) => {
    const bytes = utf8('first');
    await store.put('key', bytes);
    bytes.fill(0);
    const object = await store.get('key');
    object?.bytes.fill(0);
    assert.equal(await textAt(store, 'key'), 'first');
  });
}
