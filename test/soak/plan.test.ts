import assert from 'node:assert/strict';
import test from 'node:test';
import { KelpieError } from '../../src/base/errors.ts';
import { readOptions } from './options.ts';
import { describePlan, faultNames, isNetworkFault, planRound } from './plan.ts';
import type { FaultName, RoundPlan } from './plan.ts';

const ROUNDS = 900;

function plans(seed: number, faults: readonly FaultName[] = faultNames): readonly RoundPlan[] {
  return Array.from({ length: ROUNDS }, (_, index) => planRound({ seed, faults }, index + 1));
}

test('a plan is a function of seed and round', () => {
  assert.deepEqual(plans(7), plans(7));
  assert.notDeepEqual(plans(7), plans(8));
  assert.deepEqual(planRound({ seed: 7, faults: faultNames }, 500), plans(7)[499]);
});

test('every fault comes up once before any comes again', () => {
  const first = plans(1).map(({ strikes }) => strikes[0]?.fault ?? 'none');
  for (let from = 0; from < ROUNDS; from += faultNames.length)
    assert.deepEqual(first.slice(from, from + faultNames.length).toSorted(), faultNames.toSorted());
});

test('networks are cut only on the way to the bucket, and everything that can be drawn is', () => {
  const drawn = plans(1);
  for (const { store, strikes } of drawn)
    if (strikes.some(({ fault }) => isNetworkFault(fault))) assert.equal(store, 'bucket');
  const seen = (of: (plan: RoundPlan) => unknown): number => new Set(drawn.map(of)).size;
  assert.deepEqual(
    [seen(({ store }) => store), seen(({ act }) => act), seen(({ strikes }) => strikes.length)],
    [2, 3, 3],
  );
  for (const { strikes } of plans(1, ['kill-qemu'])) assert.equal(strikes.length, 1);
});

test('a plan is told in a line', () => {
  const strike = { phase: 'publish', delayMs: 12, lastsMs: 300, freeBytes: 0 };
  const plan = { round: 1, store: 'bucket', isSnapshotFirst: true, act: 'teleport' } as const;
  assert.equal(
    describePlan({ ...plan, strikes: [{ ...strike, fault: 'cut-deaf' }] }),
    'snapshot, teleport to bucket: cut-deaf in publish + 12 ms for 300 ms',
  );
  assert.equal(
    describePlan({ ...plan, isSnapshotFirst: false, act: 'contest', strikes: [] }),
    'contest from bucket: no fault',
  );
});

test('options: defaults, and one sentence for what is wrong', () => {
  const read = (...args: string[]): ReturnType<typeof readOptions> => readOptions(args, () => 5);
  assert.deepEqual(
    { ...read(), faults: [] },
    {
      ...{ seed: 5, rounds: 200, round: null, minutes: null, faults: [] },
      ...{ hasNetwork: true, hasDisks: true, jsonPath: null },
    },
  );
  assert.ok(!read('--no-network').faults.some(isNetworkFault));
  assert.ok(!read('--no-disk').faults.includes('fill-disk'));
  assert.deepEqual(read('--faults', 'kill-qemu,none', '--seed', '9', '--round', '3').faults, [
    'kill-qemu',
    'none',
  ]);
  for (const args of [
    ['--rounds', '0'],
    ['--seed', 'x'],
    ['--faults', 'rain'],
    ['--what'],
    ['--faults', 'cut-down', '--no-network'],
  ])
    assert.throws(
      () => read(...args),
      (error) => error instanceof KelpieError && error.code === 'usage',
      args.join(' '),
    );
});
