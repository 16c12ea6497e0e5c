import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inParallel } from './in-parallel.ts';
import { Slots } from './slots.ts';

const turn = async (): Promise<void> => await new Promise(setImmediate);

test('every item is done once, in order of beginning, and never more than so many at once', async () => {
  const begun: number[] = [];
  let running = 0;
  let most = 0;
  await inParallel(
    Array.from({ length: 20 }, (_, index) => index),
    3,
    async (item) => {
      begun.push(item);
      running += 1;
      most = Math.max(most, running);
      for (let turns = item % 4; turns > 0; turns -= 1) await turn();
      running -= 1;
    },
  );
  assert.deepEqual(
    begun,
    Array.from({ length: 20 }, (_, index) => index),
  );
  assert.equal(most, 3);
  await inParallel([], 3, () => assert.fail('there is nothing to do'));
});

test('the first failure ends the others and is thrown when nothing runs any more', async () => {
  let running = 0;
  let begun = 0;
  await assert.rejects(
    inParallel([1, 2, 3, 4, 5, 6], 3, async (item, signal) => {
      begun += 1;
      running += 1;
      await turn();
      if (item === 2) {
        running -= 1;
        throw new Error('the first');
      }
      while (!signal.aborted) await turn();
      running -= 1;
      throw new Error('a later one');
    }),
    /the first/,
  );
  assert.equal(running, 0);
  assert.equal(begun, 3);
});

test('a signal ends all', async () => {
  const controller = new AbortController();
  const reason = new Error('enough');
  const begun: number[] = [];
  const done = inParallel(
    [1, 2, 3],
    1,
    async (item, signal) => {
      begun.push(item);
      controller.abort(reason);
      signal.throwIfAborted();
    },
    controller.signal,
  );
  await assert.rejects(done, reason);
  assert.deepEqual(begun, [1]);
  await assert.rejects(
    inParallel([1], 1, () => assert.fail('it was canceled before'), controller.signal),
    reason,
  );
});

test('slots are handed on in order, also by an act that fails', async () => {
  const slots = new Slots(2);
  const begun: number[] = [];
  let running = 0;
  const acts = [0, 1, 2, 3, 4].map(
    async (item) =>
      await slots.run(async () => {
        begun.push(item);
        running += 1;
        assert.ok(running <= 2);
        await turn();
        running -= 1;
        if (item === 1) throw new Error('this one fails');
      }),
  );
  const settled = await Promise.allSettled(acts);
  assert.deepEqual(begun, [0, 1, 2, 3, 4]);
  assert.deepEqual(
    settled.map(({ status }) => status === 'fulfilled'),
    [true, false, true, true, true],
  );
});
