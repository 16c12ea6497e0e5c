import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mistakenPublishers, runSchedule, runSchedules } from '../../../test/support/collect-model.ts';
import type { Publisher } from '../../../test/support/collect-model.ts';

/** `test/collect-schedules.test.ts` runs thousands. */
const SCHEDULES = 250;

test('no published manifest ever lacks a pack, whatever the order of requests and whoever is killed', async () => {
  await runSchedules(0, SCHEDULES);
});

for (const [how, publisher] of mistakenPublishers) {
  test(`the model finds a publisher that ${how}`, async () => {
    assert.ok((await firstBroken(publisher)) !== null);
  });
}

/** The first seed that breaks a package; null when none does. */
async function firstBroken(publisher: Publisher): Promise<number | null> {
  for (let seed = 0; seed < SCHEDULES; seed += 1) {
    try {
      await runSchedule(seed, publisher);
    } catch (error) {
      assert.match(String(error), /lacks/);
      return seed;
    }
  }
  return null;
}
