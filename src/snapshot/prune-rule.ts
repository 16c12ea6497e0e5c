/**
 * Which packages or snapshots of a VM are kept by age: the rule of `kelpie package prune` and `kelpie prune`, which is restic's. Pure: a function of what
 * there is.
 *
 * They are looked at newest first. `last` keeps so many; `daily`, `weekly`, `monthly`, `yearly` keep the newest of each of so many days
 * (weeks from Monday, …) that have one, in UTC; `withinMs` keeps what is no older than that before the newest. What any of them keeps is kept.
 */
import { KelpieError } from '../base/errors.ts';
import { civilDate, dayOfUnixMs, weekOfDay } from '../base/civil-date.ts';

export interface PruneRule {
  readonly last?: number;
  readonly daily?: number;
  readonly weekly?: number;
  readonly monthly?: number;
  readonly yearly?: number;
  readonly withinMs?: number;
}

export interface PruneCandidate {
  readonly id: string;
  /** Each group is counted for itself: those of one VM. */
  readonly group: string;
  readonly createdAtUnixMs: number;
}

export interface PruneDecision {
  readonly id: string;
  /** Why it is kept, in words; empty when it goes. */
  readonly keptBy: readonly string[];
}

/** @param what is to be kept: `packages`. @throws KelpieError `usage` for a rule that keeps nothing: it would remove everything. */
export function requireKeeping(rule: PruneRule, what: string): void {
  if (Object.values(rule).some((value) => value !== undefined && value > 0)) return;
  throw new KelpieError(
    'usage',
    `say which ${what} to keep, for example with --keep-last 5: a rule that keeps none would remove all.`,
  );
}

/** @returns one decision for each candidate, those of one group together, newest first. */
export function decidePrune(
  candidates: readonly PruneCandidate[],
  rule: PruneRule,
): readonly PruneDecision[] {
  const groups = Map.groupBy(candidates, ({ group }) => group);
  return [...groups.values()].flatMap((ofOne) => decideForGroup(ofOne.toSorted(newestFirst), rule));
}

function newestFirst(a: PruneCandidate, b: PruneCandidate): number {
  return b.createdAtUnixMs - a.createdAtUnixMs || (a.id < b.id ? -1 : 1);
}

function decideForGroup(sorted: readonly PruneCandidate[], rule: PruneRule): readonly PruneDecision[] {
  const newestMs = sorted[0]?.createdAtUnixMs ?? 0;
  const counters = countersOf(rule);
  return sorted.map(({ id, createdAtUnixMs }, index) => {
    const keptBy: string[] = [];
    if (index < (rule.last ?? 0)) keptBy.push('last');
    if (rule.withinMs !== undefined && rule.withinMs > 0 && createdAtUnixMs >= newestMs - rule.withinMs)
      keptBy.push('within');
    for (const { name, keeps } of counters) if (keeps(createdAtUnixMs)) keptBy.push(name);
    return { id, keptBy };
  });
}

interface Counter {
  readonly name: string;
  /** Asked newest first. */
  readonly keeps: (unixMs: number) => boolean;
}

function countersOf({ daily = 0, weekly = 0, monthly = 0, yearly = 0 }: PruneRule): readonly Counter[] {
  return [
    counter('daily', daily, (unixMs) => dayOfUnixMs(unixMs)),
    counter('weekly', weekly, (unixMs) => weekOfDay(dayOfUnixMs(unixMs))),
    counter('monthly', monthly, (unixMs) => {
      const { year, month } = civilDate(dayOfUnixMs(unixMs));
      return year * 12 + month;
    }),
    counter('yearly', yearly, (unixMs) => civilDate(dayOfUnixMs(unixMs)).year),
  ];
}

/** @param periodOf a number that is the same for two times of one period. */
function counter(name: string, count: number, periodOf: (unixMs: number) => number): Counter {
  const seen = new Set<number>();
  return {
    name,
    keeps: (unixMs) => {
      const period = periodOf(unixMs);
      if (seen.has(period) || seen.size >= count) return false;
      seen.add(period);
      return true;
    },
  };
}
