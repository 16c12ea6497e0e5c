/** Which of the acts that are due comes next. All of them are fair enough that nothing waits for ever: time goes on with each step. */
import type { Prng } from './prng.ts';
import type { Task } from './scheduler.ts';

export interface Strategy {
  readonly name: string;
  /** The index of one of `due`, which is not empty. */
  choose(due: readonly Task[]): number;
}

/** One in so many steps puts the priority of what it has chosen last. */
const PRIORITY_CHANGE_STEPS = 100;

export function createStrategy(random: Prng): Strategy {
  const kind = random.fraction();
  if (kind < 0.5) return { name: 'random', choose: (due) => random.below(due.length) };
  if (kind < 0.65) return { name: 'fifo', choose: () => 0 };
  return new PriorityStrategy(random);
}

/**
 * Each kind of act of each process has a drawn priority and always goes first when it has the highest: long stretches of
 * one-sided progress with few changes, where random order would interleave everything all the time (PCT).
 */
class PriorityStrategy implements Strategy {
  readonly name = 'priority';
  readonly #random: Prng;
  readonly #priorities = new Map<string, number>();
  #lowest = 0;

  constructor(random: Prng) {
    this.#random = random;
  }

  choose(due: readonly Task[]): number {
    let best = 0;
    let bestPriority = -Infinity;
    for (const [index, task] of due.entries()) {
      const priority = this.#priorityOf(task);
      if (priority <= bestPriority) continue;
      best = index;
      bestPriority = priority;
    }
    if (this.#random.below(PRIORITY_CHANGE_STEPS) === 0) this.#demote(due[best]);
    return best;
  }

  #priorityOf({ actor, site }: Task): number {
    const key = `${actor} ${site}`;
    let priority = this.#priorities.get(key);
    if (priority === undefined) {
      priority = this.#random.fraction();
      this.#priorities.set(key, priority);
    }
    return priority;
  }

  #demote(task: Task | undefined): void {
    if (task === undefined) return;
    this.#lowest -= 1;
    this.#priorities.set(`${task.actor} ${task.site}`, this.#lowest);
  }
}
