import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FrameQueue } from './frame-queue.ts';

const byte = (value: number): Uint8Array => new Uint8Array([value]);

await test('a full queue holds the writer back until the reader takes something', async () => {
  const queue = new FrameQueue(1);
  assert.equal(await queue.push(byte(1)), true);
  let isTaken = false;
  const second = queue.push(byte(2)).then((result) => {
    isTaken = true;
    return result;
  });
  await Promise.resolve();
  assert.equal(isTaken, false);
  const reader = queue[Symbol.asyncIterator]();
  assert.deepEqual((await reader.next()).value, byte(1));
  assert.deepEqual((await reader.next()).value, byte(2));
  assert.equal(await second, true);
});

await test('what is urgent does not wait for room, comes after what is queued, and is bounded', async () => {
  const queue = new FrameQueue(1);
  await queue.push(byte(0));
  for (let value = 1; value <= 20; value += 1) queue.pushNow(byte(value));
  queue.end();
  const seen: number[] = [];
  for await (const bytes of queue) seen.push(bytes[0] ?? -1);
  assert.equal(seen[0], 0);
  assert.deepEqual(
    seen.slice(1),
    Array.from({ length: 16 }, (_, index) => index + 5),
  );
});

await test('an ended queue gives what it holds, refuses more and wakes a waiting writer', async () => {
  const queue = new FrameQueue(1);
  await queue.push(byte(1));
  const waiting = queue.push(byte(2));
  queue.end();
  assert.equal(await waiting, false);
  assert.equal(await queue.push(byte(3)), false);
  const seen: number[] = [];
  for await (const bytes of queue) seen.push(bytes[0] ?? -1);
  assert.deepEqual(seen, [1]);
});
