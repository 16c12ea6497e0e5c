/**
 * The one source of order and of time. Whatever a simulated program asks of its world is parked here; each step picks one
 * parked act that is due, does it, and lets every promise settle before the next.
 *
 *     call ──park──▶ waiting (until its time) ──▶ due ──chosen by the strategy──▶ done, promises settle
 *                       └──────── cancelled, or its process died: never ───────┘
 *
 * When nothing is due, time jumps to the next act that waits.
 */
import { assert } from '../base/assert.ts';
import { RollingHash } from './rolling-hash.ts';
import type { Strategy } from './strategies.ts';

/** An act that is due for longer goes first, whatever the strategy: nothing real waits for ever either. */
const DUE_MS_MAX = 2000;

export interface Task {
  readonly site: string;
  /** Which process asks; for strategies and traces. */
  readonly actor: string;
  readonly dueMs: number;
  /** Order of being parked. */
  readonly order: number;
  /** How long the act takes, in simulated milliseconds. */
  readonly costMs: number;
  /** False when nobody waits for it any more. */
  readonly isWanted: () => boolean;
  readonly run: () => void;
}

/** Lets everything that can go on without the world go on: a turn of the event loop. */
export type Settle = () => Promise<void>;

export class Scheduler {
  readonly hash: RollingHash = new RollingHash();
  readonly #strategy: Strategy;
  readonly #settle: Settle;
  readonly #waiting: TaskHeap = new TaskHeap();
  readonly #due: Task[] = [];
  #nowMs = 0;
  #order = 0;
  #steps = 0;

  constructor(strategy: Strategy, settle: Settle) {
    this.#strategy = strategy;
    this.#settle = settle;
  }

  /** True time since the simulation began; no process can see it. */
  get nowMs(): number {
    return this.#nowMs;
  }
  get steps(): number {
    return this.#steps;
  }

  park(task: Omit<Task, 'order' | 'dueMs'> & { readonly delayMs: number }): void {
    const { site, actor, costMs, isWanted, run, delayMs } = task;
    assert(delayMs >= 0, 'nothing happens before it was asked for');
    this.#order += 1;
    const parked = { site, actor, costMs, isWanted, run, dueMs: this.#nowMs + delayMs, order: this.#order };
    if (delayMs === 0) this.#due.push(parked);
    else this.#waiting.push(parked);
  }

  /** Takes one step. @returns false when there is nothing left to do. */
  async step(): Promise<boolean> {
    const task = this.#next();
    if (task === null) return false;
    this.#steps += 1;
    this.#nowMs += task.costMs;
    this.hash.addWord(task.site);
    this.hash.addWord(task.actor);
    this.hash.addNumber(this.#nowMs);
    task.run();
    await this.#settle();
    return true;
  }

  /** Lets what was started outside of a step come as far as it can. */
  async settle(): Promise<void> {
    await this.#settle();
  }

  #next(): Task | null {
    for (;;) {
      this.#wake();
      if (this.#due.length === 0) return null;
      const index = this.#isStarving() ? 0 : this.#strategy.choose(this.#due);
      const task = this.#due[index];
      assert(task !== undefined, 'a strategy chooses one of the acts that are due');
      this.#due.splice(index, 1);
      if (task.isWanted()) return task;
    }
  }

  #isStarving(): boolean {
    const oldest = this.#due[0];
    return oldest !== undefined && this.#nowMs - oldest.dueMs > DUE_MS_MAX;
  }

  /** Moves what has come due. What nobody waits for any more takes no part in the choice of the next. */
  #wake(): void {
    for (let next = this.#waiting.peek(); next !== null; next = this.#waiting.peek()) {
      const isWanted = next.isWanted();
      if (isWanted && next.dueMs > this.#nowMs && this.#due.length > 0) return;
      this.#waiting.pop();
      if (!isWanted) continue;
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      this.#due.push(next);
    }
  }
}

/** Waiting tasks, the earliest first. */
class TaskHeap {
  readonly #tasks: Task[] = [];

  peek(): Task | null {
    return this.#tasks[0] ?? null;
  }

  push(task: Task): void {
    this.#tasks.push(task);
    let index = this.#tasks.length - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!this.#isBefore(index, parent)) return;
      this.#swap(index, parent);
      index = parent;
    }
  }

  pop(): void {
    const last = this.#tasks.pop();
    if (last === undefined || this.#tasks.length === 0) return;
    this.#tasks[0] = last;
    for (let index = 0; ;) {
      let least = index;
      for (const child of [2 * index + 1, 2 * index + 2]) {
        if (child < this.#tasks.length && this.#isBefore(child, least)) least = child;
      }
      if (least === index) return;
      this.#swap(index, least);
      index = least;
    }
  }

  #isBefore(a: number, b: number): boolean {
    const [left, right] = [this.#at(a), this.#at(b)];
    return left.dueMs < right.dueMs || (left.dueMs === right.dueMs && left.order < right.order);
  }

  #swap(a: number, b: number): void {
    const [left, right] = [this.#at(a), this.#at(b)];
    this.#tasks[a] = right;
    this.#tasks[b] = left;
  }

  #at(index: number): Task {
    const task = this.#tasks[index];
    assert(task !== undefined, 'the index lies in the heap');
    return task;
  }
}
