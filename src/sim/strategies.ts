/** Which of the acts that are due comes next. All of them are fair enough that nothing waits for ever: time goes on with each step. */
import type { Prng } from './prng.ts';
import type { Parked, Task } from './scheduler.ts';

export const strategyNames = ['random', 'fifo', 'priority'] as const;
export type StrategyName = (typeof strategyNames)[number];

export interface Strategy {
  /** The index of one of `due`, which is not empty. */
  choose(due: readonly Parked[]): number;
}

/** One in so many steps puts the priority of what it has chosen last. */
const PRIORITY_CHANGE_STEPS = 100;

export function createStrategy(name: StrategyName, random: Prng): Strategy {
  if (name === 'priority') return new PriorityStrategy(random);
  return { choose: name === 'fifo' ? () => 0 : (due) => random.below(due.length) };
}

/**
 * Each kind of act of each process has a drawn priority and always goes first when it has the highest: long stretches of
 * one-sided progress with few changes, where random order would interleave everything all the time (PCT).
 */
class PriorityStrategy implements Strategy {
  readonly #random: Prng;
  /** By actor, then by site. */
  readonly #priorities = new Map<string, Map<string, number>>();
  #lowest = 0;

  constructor(random: Prng) {
    this.#random = random;
  }

  choose(due: readonly Parked[]): number {
    let best = 0;
    let bestPriority = -Infinity;
    for (let index = 0; index < due.length; index += 1) {
      const priority = this.#priorityOf(due[index]?.task);
      if (priority <= bestPriority) continue;
      best = index;
      bestPriority = priority;
    }
    if (this.#random.below(PRIORITY_CHANGE_STEPS) === 0) this.#demote(due[best]?.task);
    return best;
  }

  #priorityOf(task: Task | undefined): number {
    if (task === undefined) return -Infinity;
    const priorities = this.#prioritiesOf(task.actor);
    let priority = priorities.get(task.site);
    if (priority === undefined) {
      priority = this.#random.fraction();
      priorities.set(task.site, priority);
    }
    return priority;
  }

  #prioritiesOf(actor: string): Map<string, number> {
    let priorities = this.#priorities.get(actor);
    if (priorities === undefined) {
      priorities = new Map();
      this.#priorities.set(actor, priorities);
    }
    return priorities;
  }

  #demote(task: Task | undefined): void {
    if (task === undefined) return;
    this.#lowest -= 1;
    this.#prioritiesOf(task.actor).set(task.site, this.#lowest);
  }
}
