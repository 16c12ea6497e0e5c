import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ahead } from './ahead.ts';

async function later<T>(value: T): Promise<T> {
  await Promise.resolve();
  return value;
}

test('results come in order, so many items begun before they are asked for', async () => {
  const begun: number[] = [];
  const results: number[] = [];
  const act = async (item: number): Promise<number> => {
    begun.push(item);
    return await later(item * 10);
  };
  for await (const result of ahead([1, 2, 3, 4, 5, 6], 2, act)) {
    results.push(result);
    assert.equal(begun.length, Math.min(6, results.length + 2));
  }
  assert.deepEqual(results, [10, 20, 30, 40, 50, 60]);
  assert.deepEqual(await Array.fromAsync(ahead([], 2, act)), []);
});

test('a failure is told in its turn, after which nothing runs', async () => {
  let running = 0;
  const act = async (item: number, signal: AbortSignal): Promise<number> => {
    if (item === 2) throw new Error('the second');
    if (item === 1) return await later(item);
    running += 1;
    const { promise, resolve } = Promise.withResolvers<void>();
    signal.addEventListener('abort', () => resolve());
    await promise;
    running -= 1;
    throw new Error('aborted');
  };
  const results: number[] = [];
  await assert.rejects(async () => {
    for await (const result of ahead([1, 2, 3, 4, 5], 2, act)) {
      results.push(result);
      assert.equal(running, 1);
    }
  }, /the second/);
  assert.deepEqual([results, running], [[1], 0]);
});

test('whoever leaves early, or aborts, leaves nothing under way', async () => {
  let running = 0;
  const act = async (item: number, signal: AbortSignal): Promise<number> => {
    running += 1;
    try {
      if (item === 1) return await later(item);
      const { promise, reject } = Promise.withResolvers<number>();
      signal.addEventListener('abort', () => reject(new Error('aborted')));
      return await promise;
    } finally {
      running -= 1;
    }
  };
  for await (const result of ahead([1, 2, 3], 5, act)) {
    assert.equal(result, 1);
    break;
  }
  assert.equal(running, 0);
  const controller = new AbortController();
  await assert.rejects(async () => {
    for await (const result of ahead([1, 2, 3], 5, act, controller.signal)) {
      assert.equal(result, 1);
      controller.abort();
    }
  }, /aborted/);
  assert.equal(running, 0);
});
