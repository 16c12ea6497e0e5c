/** The model of `collect-model.ts`, long enough to find what is rare. */
import { test } from 'node:test';
import { runSchedules } from './support/collect-model.ts';

const SCHEDULES = 2500;

test(`${SCHEDULES} schedules of publishers, sweeps and kills leave every package whole`, async () => {
  await runSchedules(1_000_000, SCHEDULES);
});
