import assert from 'node:assert/strict';
import test from 'node:test';
import { OneInFlight } from './one-in-flight.ts';

test('an act waits for the one before it, and overlaps its caller', async () => {
  const flight = new OneInFlight();
  const first = Promise.withResolvers<void>();
  const events: string[] = [];
  await flight.begin(async () => first.promise);
  const second = flight.begin(async () => {
    events.push('second');
  });
  events.push('caller');
  first.resolve();
  await second;
  await flight.end();
  assert.deepEqual(events, ['caller', 'second']);
});

test('a failure is thrown by the next call, and nothing is begun after it', async () => {
  const failure = new Error('planned');
  const flight = new OneInFlight();
  await flight.begin(async () => {
    throw failure;
  });
  let isBegun = false;
  const next = flight.begin(async () => {
    isBegun = true;
  });
  await assert.rejects(next, failure);
  assert.ok(!isBegun);
  await assert.rejects(flight.end(), failure);
  await flight.abandon();
});
