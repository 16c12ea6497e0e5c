import assert from 'node:assert/strict';
import test from 'node:test';
import { ManualClock } from '../../../../test/support/manual-clock.ts';
import { TooSlow, withDeadline } from './deadline.ts';

/** Never ends by itself. */
function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => {
      const reason: unknown = signal.reason;
      assert.ok(reason instanceof Error);
      reject(reason);
    });
  });
}

test('work that takes too long is aborted, and one that came so far has another time from then on', async () => {
  const clock = new ManualClock();
  const head = Promise.withResolvers<void>();
  let hasEnded = false;
  const work = withDeadline(clock, 30, undefined, async (signal, allow) => {
    await Promise.race([head.promise, untilAborted(signal)]);
    allow(100);
    return await untilAborted(signal);
  }).finally(() => (hasEnded = true));
  const refused = assert.rejects(work, TooSlow);
  await clock.advance(29);
  head.resolve();
  await clock.advance(99);
  assert.equal(hasEnded, false);
  await clock.advance(1);
  await refused;
  assert.equal(clock.sleeping, 0);
});

test('work that does not begin is given up by the first time', async () => {
  const clock = new ManualClock();
  const refused = assert.rejects(
    withDeadline(clock, 30, undefined, (signal) => untilAborted(signal)),
    TooSlow,
  );
  await clock.advance(30);
  await refused;
});
