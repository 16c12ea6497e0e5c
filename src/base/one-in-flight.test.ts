import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OneInFlight } from './one-in-flight.ts';

test('the next act begins when the one before has ended, and the caller goes on meanwhile', async () => {
  const events: string[] = [];
  const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const flights = new OneInFlight();
  for (const [index, gate] of gates.entries()) {
    void flights.begin(async () => {
      events.push(`begin ${index}`);
      await gate.promise;
      events.push(`end ${index}`);
    });
    if (index === 0) await Promise.resolve();
    if (index === 0) events.push('meanwhile');
    gate.resolve();
    await new Promise(setImmediate);
  }
  await flights.end();
  assert.deepEqual(events, ['begin 0', 'meanwhile', 'end 0', 'begin 1', 'end 1']);
});

test('a failure is thrown by the next call, and by nobody else', async () => {
  const flights = new OneInFlight();
  await flights.begin(async () => await Promise.reject(new Error('broken')));
  await new Promise(setImmediate);
  await assert.rejects(
    flights.begin(() => assert.fail('must not begin')),
    /broken/,
  );
  await assert.rejects(flights.end(), /broken/);
  await flights.abandon();
});
