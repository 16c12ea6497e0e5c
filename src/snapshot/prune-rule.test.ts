import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { DAY_MS, HOUR_MS } from '../base/units.ts';
import { isKelpieError } from '../base/errors.ts';
import { decidePrune, requireKeeping } from './prune-rule.ts';
import type { PruneCandidate, PruneRule } from './prune-rule.ts';

/** At noon of a day, in UTC. */
function at(date: string, id = date, group = 'vm'): PruneCandidate {
  return { id, group, createdAtUnixMs: Date.parse(`${date}T12:00:00Z`) };
}

function keepsSomething(rule: PruneRule): boolean {
  try {
    requireKeeping(rule, 'packages');
    return true;
  } catch (error) {
    assert.ok(isKelpieError(error, 'usage'));
    return false;
  }
}

function kept(candidates: readonly PruneCandidate[], rule: PruneRule): readonly string[] {
  return decidePrune(candidates, rule)
    .filter(({ keptBy }) => keptBy.length > 0)
    .map(({ id }) => id);
}

const diary = [
  '2024-02-29',
  '2024-12-29',
  '2024-12-30',
  '2025-01-05',
  '2025-01-06',
  '2025-01-07',
  '2025-03-01',
  '2025-03-02',
].map((date) => at(date));

const cases: readonly (readonly [string, PruneRule, readonly string[]])[] = [
  ['the last two', { last: 2 }, ['2025-03-02', '2025-03-01']],
  ['more than there are', { last: 99 }, diary.map(({ id }) => id).toReversed()],
  ['three days', { daily: 3 }, ['2025-03-02', '2025-03-01', '2025-01-07']],
  // 2024-12-30 and 2025-01-05 are Monday and Sunday of one week; 2024-12-29 is the Sunday before.
  ['four weeks', { weekly: 4 }, ['2025-03-02', '2025-01-07', '2025-01-05', '2024-12-29']],
  ['three months', { monthly: 3 }, ['2025-03-02', '2025-01-07', '2024-12-30']],
  ['two years', { yearly: 2 }, ['2025-03-02', '2024-12-30']],
  ['the day before the newest', { withinMs: DAY_MS }, ['2025-03-02', '2025-03-01']],
  ['several rules together', { last: 1, yearly: 2, withinMs: HOUR_MS }, ['2025-03-02', '2024-12-30']],
];

for (const [what, rule, expected] of cases) {
  test(`keeps ${what}`, () => assert.deepEqual(kept(diary, rule), expected));
}

test('each group is counted for itself', () => {
  const two = [at('2025-01-01', 'a1', 'a'), at('2025-01-02', 'a2', 'a'), at('2024-01-01', 'b1', 'b')];
  assert.deepEqual(kept(two, { last: 1 }).toSorted(), ['a2', 'b1']);
});

test('the newest of a day is the one that stays, and says why', () => {
  const day = Date.parse('2025-01-01T00:00:00Z');
  const hours = [1, 23, 5].map((hour) => ({
    id: `${hour}`,
    group: 'vm',
    createdAtUnixMs: day + hour * HOUR_MS,
  }));
  assert.deepEqual(decidePrune(hours, { daily: 2, last: 1 }), [
    { id: '23', keptBy: ['last', 'daily'] },
    { id: '5', keptBy: [] },
    { id: '1', keptBy: [] },
  ]);
});

test('a rule that keeps nothing is told', () => {
  for (const rule of [{}, { last: 0 }, { daily: 0, withinMs: 0 }]) assert.ok(!keepsSomething(rule));
  for (const rule of [{ last: 1 }, { yearly: 1 }, { withinMs: 1 }]) assert.ok(keepsSomething(rule));
});

const anyRule = fc.record(
  {
    last: fc.nat(5),
    daily: fc.nat(5),
    weekly: fc.nat(5),
    monthly: fc.nat(5),
    yearly: fc.nat(5),
    withinMs: fc.nat(100 * DAY_MS),
  },
  { requiredKeys: [] },
);
const anyPackages = fc
  .array(fc.nat(1000 * 24), { maxLength: 60 })
  .map((hours) =>
    hours.map((hour, index) => ({ id: `${index}`, group: 'vm', createdAtUnixMs: hour * HOUR_MS })),
  );

test('a rule that keeps anything keeps the newest; more of a rule keeps no less; order and repetition do not matter', () => {
  fc.assert(
    fc.property(anyPackages, anyRule, anyRule, (candidates, rule, more) => {
      const first = new Set(kept(candidates, rule));
      if (keepsSomething(rule) && candidates.length > 0)
        assert.ok(first.has(decidePrune(candidates, rule)[0]?.id ?? ''));
      assert.deepEqual(new Set(kept(candidates.toReversed(), rule)), first);
      const keys = ['last', 'daily', 'weekly', 'monthly', 'yearly', 'withinMs'] as const;
      const sum = Object.fromEntries(keys.map((key) => [key, (rule[key] ?? 0) + (more[key] ?? 0)]));
      const second = new Set(kept(candidates, sum));
      assert.ok(first.isSubsetOf(second));
      // What was kept is kept again, so pruning twice removes nothing more.
      const left = candidates.filter(({ id }) => first.has(id));
      assert.deepEqual(new Set(kept(left, rule)), first);
    }),
  );
});
