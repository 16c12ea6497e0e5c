import assert from 'node:assert/strict';
import test from 'node:test';
import { ManualClock, settle } from '../../../../test/support/manual-clock.ts';
import { utf8 } from '../../../base/bytes.ts';
import { createNodeEnv } from '../../../env/node/env.ts';
import { ATTEMPTS_MAX, BACKOFF_BASE_MS } from '../limits.ts';
import { MemoryObjects } from '../memory/memory-objects.ts';
import type { ObjectStore } from '../object-store.ts';
import { StoreTrouble, isStoreTrouble } from '../store-trouble.ts';
import type { TroubleKind } from '../store-trouble.ts';
import { limited } from './limited.ts';
import { StoreFigures, measured } from './measured.ts';
import { paced } from './paced.ts';
import { retrying } from './retrying.ts';
import { verified } from './verified.ts';
import { wrapObjects } from './wrap-objects.ts';

const { compute, random } = createNodeEnv();
/** Draws the longest pause each time. */
const longest = {
  ...random,
  bytes: (length: number) => random.bytes(length),
  uuid: () => random.uuid(),
  fraction: () => 1,
};

function failing(
  clock: ManualClock,
  kind: TroubleKind,
  isOutcomeUnknown = false,
): { store: ObjectStore; calls: number[] } {
  const calls: number[] = [];
  const store = wrapObjects(new MemoryObjects({ clock }), async () => {
    calls.push(clock.monotonicMs());
    throw new StoreTrouble(kind, 'the test wants it so.', { isOutcomeUnknown });
  });
  return { store, calls };
}

test('retries back off, doubling, and are bounded', async () => {
  const clock = new ManualClock();
  const { store, calls } = failing(clock, 'unavailable', true);
  const retries: string[] = [];
  const outcome = assert.rejects(
    retrying(store, { clock, random: longest }, (act) => retries.push(act)).put('key', utf8('x')),
    (error) => isStoreTrouble(error, 'unavailable'),
  );
  for (let turns = 0; turns < 400; turns += 1) await clock.advance(BACKOFF_BASE_MS);
  await outcome;
  const pauses = calls.slice(1).map((atMs, index) => atMs - (calls[index] ?? 0));
  assert.deepEqual(pauses, [200, 400, 800, 1600, 3200, 6400, 10_000]);
  assert.equal(calls.length, ATTEMPTS_MAX);
  assert.equal(retries.length, ATTEMPTS_MAX - 1);
  assert.equal(clock.sleeping, 0);
});

test('what cannot help, or may harm, is not tried again', async () => {
  const clock = new ManualClock();
  for (const kind of ['write_denied', 'clock_skew', 'full'] as const) {
    const { store, calls } = failing(clock, kind);
    await assert.rejects(retrying(store, { clock, random }).put('key', utf8('x')));
    assert.equal(calls.length, 1);
  }
  const { store, calls } = failing(clock, 'unavailable', true);
  const retried = retrying(store, { clock, random });
  await assert.rejects(retried.putIfAbsent('key', utf8('x')));
  await assert.rejects(retried.putIfMatch('key', 'tag', utf8('x')));
  assert.equal(calls.length, 2);
});

test('a pause between tries ends when the act is canceled', async () => {
  const clock = new ManualClock();
  const controller = new AbortController();
  const reason = new Error('enough');
  const { store } = failing(clock, 'unavailable');
  const reading = assert.rejects(
    retrying(store, { clock, random }).get('key', { signal: controller.signal }),
    reason,
  );
  await settle();
  controller.abort(reason);
  await reading;
  assert.equal(clock.sleeping, 0);
});

test('no more than so many acts run at once, in the order they came', async () => {
  const clock = new ManualClock();
  const gates: (() => void)[] = [];
  const slow = wrapObjects(new MemoryObjects({ clock }), async (_, run) => {
    await new Promise<void>((resolve) => gates.push(resolve));
    return await run();
  });
  const store = limited(slow, 2);
  const controller = new AbortController();
  const reason = new Error('enough');
  const acts = ['a', 'b', 'c'].map(async (key) => await store.put(key, utf8(key)));
  const canceled = assert.rejects(store.put('d', utf8('d'), { signal: controller.signal }), reason);
  await settle();
  assert.equal(gates.length, 2);
  controller.abort(reason);
  await canceled;
  gates.shift()?.();
  await settle();
  assert.equal(gates.length, 2);
  for (const open of gates) open();
  await Promise.all(acts);
  const last = store.put('e', utf8('e'));
  await settle();
  gates.at(-1)?.();
  await last;
});

test('the pace is kept in bytes and in requests', async () => {
  const clock = new ManualClock();
  const store = paced(new MemoryObjects({ clock }), clock, { bytesPerS: 1000, requestsPerS: 10 });
  const ends: number[] = [];
  const acts = [0, 1, 2].map(async (index) => {
    await store.put(`key-${index}`, new Uint8Array(400));
    ends.push(clock.monotonicMs());
  });
  for (let turns = 0; turns < 20; turns += 1) await clock.advance(100);
  await Promise.all(acts);
  assert.deepEqual(ends, [0, 500, 1000]);
});

test('figures count requests, bytes and failures by act', async () => {
  const clock = new ManualClock();
  const figures = new StoreFigures();
  const store = measured(new MemoryObjects({ clock }), clock, figures);
  await store.put('key', utf8('12345'));
  await store.get('key', { range: { offset: 1, length: 2 } });
  await assert.rejects(store.get('key', { etag: 'another' }));
  const { put, get } = Object.fromEntries(figures.byAct);
  assert.deepEqual([put?.requests, put?.sentBytes, put?.failures], [1, 5, 0]);
  assert.deepEqual([get?.requests, get?.receivedBytes, get?.failures], [2, 2, 1]);
});

test('answers that cannot be right are refused', async () => {
  const clock = new ManualClock();
  const inner = new MemoryObjects({ clock });
  await inner.put('key', utf8('12345'));
  const lies = [{ bytes: utf8('1234') }, { etag: 'another' }, { sha256: compute.sha256(utf8('54321')) }];
  for (const lie of lies) {
    const lying: ObjectStore = wrapObjects(inner, async (_, run) => await run());
    lying.get = async (key, options) => {
      const object = await inner.get(key, options);
      return object === null ? null : { ...object, ...lie };
    };
    const etag = (await inner.head('key'))?.etag ?? '';
    await assert.rejects(verified(lying, compute).get('key', { etag }), (error) =>
      isStoreTrouble(error, 'wrong_answer'),
    );
  }
  assert.equal((await verified(inner, compute).get('key'))?.sizeBytes, 5);
});
