import assert from 'node:assert/strict';
import { setFlagsFromString } from 'node:v8';
import { test } from 'node:test';
import { runInNewContext } from 'node:vm';
import { raceWith } from './race-with.ts';

const never: Promise<never> = new Promise(() => {});

test('the act wins, or the event, also one that came before', async () => {
  const { promise, resolve } = Promise.withResolvers<string>();
  const race = raceWith(promise);
  assert.equal(await race(Promise.resolve(1)), 1);
  await assert.rejects(race(Promise.reject(new Error('the act failed'))), /the act failed/);
  const waiting = [race(never), race(never)];
  resolve('event');
  assert.deepEqual(await Promise.all(waiting), ['event', 'event']);
  assert.equal(await race(never), 'event');
  assert.equal(await race(Promise.resolve('act')), 'act');
});

test('an event that fails ends what waits', async () => {
  const { promise, reject } = Promise.withResolvers<string>();
  const race = raceWith(promise);
  const waiting = race(never);
  reject(new Error('the event failed'));
  await assert.rejects(waiting, /the event failed/);
  await assert.rejects(race(never), /the event failed/);
});

test('what acts gave is not kept', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const race = raceWith(never);
  const given: WeakRef<object>[] = [];
  for (let index = 0; index < 100; index += 1) {
    const one = { index };
    given.push(new WeakRef(one));
    await race(Promise.resolve(one));
  }
  await new Promise((resolve) => setImmediate(resolve));
  collect();
  const kept = given.filter((one) => one.deref() !== undefined).length;
  assert.ok(kept <= 2, `${kept} of 100 are kept`);
});
