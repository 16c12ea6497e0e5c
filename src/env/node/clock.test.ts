import assert from 'node:assert/strict';
import test from 'node:test';
import { createNodeClock } from './clock.ts';

/** Far enough below a millisecond to tell that the fraction is measured, far above a machine's hiccups in the median. */
const ERROR_NS_MAX = 300_000n;

/** Nanoseconds by which the clock is off at the next moment at which the system's milliseconds tick over. */
function errorAtEdgeNs(wallNs: () => bigint): bigint {
  const startMs = Date.now();
  let nowMs = startMs;
  while (nowMs === startMs) nowMs = Date.now();
  const off = wallNs() - BigInt(nowMs) * 1_000_000n;
  return off < 0n ? -off : off;
}

function medianErrorNs(wallNs: () => bigint): bigint {
  const errors = Array.from({ length: 15 }, () => errorAtEdgeNs(wallNs));
  return errors.toSorted((a, b) => Number(a - b))[7] ?? 0n;
}

test("wall time is exact between the system's milliseconds", () => {
  const clock = createNodeClock();
  const error = medianErrorNs(() => clock.wallNs());
  assert.ok(error < ERROR_NS_MAX, `off by ${error} ns`);
});

test('a stepped system clock is followed at once', (t) => {
  const clock = createNodeClock();
  clock.wallNs();
  const now = Date.now.bind(Date);
  for (const stepMs of [3_600_000, -7_200_000, 5]) {
    t.mock.method(Date, 'now', () => now() + stepMs);
    const error = medianErrorNs(() => clock.wallNs());
    assert.ok(error < ERROR_NS_MAX, `off by ${error} ns after a step of ${stepMs} ms`);
    t.mock.restoreAll();
  }
});

test('a sleep longer than a Node timer may be does not end at once', async () => {
  const clock = createNodeClock();
  const abort = new AbortController();
  const sleeping = clock.sleep(2 ** 40, abort.signal);
  const first = await Promise.race([sleeping.catch(() => 'slept'), clock.sleep(20).then(() => 'awake')]);
  assert.equal(first, 'awake');
  abort.abort();
  await assert.rejects(sleeping, { name: 'AbortError' });
});
