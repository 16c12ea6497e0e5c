import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mistaken, runSchedule, runSchedules } from '../../../test/support/collect-model.ts';
import type { Manners } from '../../../test/support/collect-model.ts';

/** `test/collect-schedules.test.ts` runs thousands. */
const SCHEDULES = 200;
/** The rarest of the mistakes shows once in some three hundred. */
const SCHEDULES_TO_FIND_MAX = 1000;
/** A little before a schedule that shows the rarest, so that it is found soon; it is from any other beginning too. */
const FIRST_TO_LOOK_AT = 350;

test('no published manifest ever lacks a pack, whatever the order of requests and whoever is killed', async () => {
  await runSchedules(0, SCHEDULES);
});

for (const [who, manners] of mistaken) {
  test(`the model finds ${who}`, async () => {
    assert.ok((await firstBroken(manners)) !== null);
  });
}

/** The first seed that breaks a package; null when none does. */
async function firstBroken(manners: Manners): Promise<number | null> {
  for (let seed = FIRST_TO_LOOK_AT; seed < FIRST_TO_LOOK_AT + SCHEDULES_TO_FIND_MAX; seed += 1) {
    try {
      await runSchedule(seed, manners);
    } catch (error) {
      assert.match(String(error), /lacks/);
      return seed;
    }
  }
  return null;
}
