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

/** What is to be done. */
export interface Task {
  readonly site: string;
  /** Which process asks; for strategies and traces. */
  readonly actor: string;
  /** How long the act takes, in simulated milliseconds. */
  readonly costMs: number;
  /** False when nobody waits for it any more. */
  isWanted(): boolean;
  run(): void;
}

/** A task with its time. */
export interface Parked {
  readonly task: Task;
  readonly dueMs: number;
  /** Order of being parked. */
  readonly order: number;
}

/** Calls `then` when everything that can go on without the world has gone on: after a turn of the event loop. */
export type Settle = (then: () => void) => void;

export class Scheduler {
  readonly hash: RollingHash = new RollingHash();
  readonly #strategy: Strategy;
  readonly #settle: Settle;
  readonly #waiting: ParkedHeap = new ParkedHeap();
  readonly #due: Parked[] = [];
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

  park(task: Task, delayMs: number): void {
    assert(delayMs >= 0, 'nothing happens before it was asked for');
    this.#order += 1;
    const parked = { task, dueMs: this.#nowMs + delayMs, order: this.#order };
    if (delayMs === 0) this.#due.push(parked);
    else this.#waiting.push(parked);
  }

  /**
   * Takes steps for as long as `goesOn`, which is asked before each, when all that came of the one before has settled. There is no promise
   * between two steps: it would cost as much as the step.
   * @returns false when nothing was left to do before.
   */
  run(goesOn: () => boolean): Promise<boolean> {
    const { promise, resolve, reject } = Promise.withResolvers<boolean>();
    const turn = (): void => {
      try {
        if (!goesOn()) resolve(true);
        else if (this.#step()) this.#settle(turn);
        else resolve(false);
      } catch (error) {
        reject(error);
      }
    };
    this.#settle(turn);
    return promise;
  }

  /** @returns false when there is nothing to do. */
  #step(): boolean {
    const task = this.#next();
    if (task === null) return false;
    this.#steps += 1;
    this.#nowMs += task.costMs;
    this.hash.addWord(task.site);
    this.hash.addWord(task.actor);
    this.hash.addNumber(this.#nowMs);
    task.run();
    return true;
  }

  #next(): Task | null {
    for (;;) {
      this.#wake();
      if (this.#due.length === 0) return null;
      const index = this.#isStarving() ? 0 : this.#strategy.choose(this.#due);
      const { task } = at(this.#due, index);
      if (this.#due.length === 1) this.#due.length = 0;
      else this.#due.splice(index, 1);
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
      const isWanted = next.task.isWanted();
      if (isWanted && next.dueMs > this.#nowMs && this.#due.length > 0) return;
      this.#waiting.pop();
      if (!isWanted) continue;
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      this.#due.push(next);
    }
  }
}

/** Waiting tasks, the earliest first. */
class ParkedHeap {
  readonly #items: Parked[] = [];

  peek(): Parked | null {
    return this.#items[0] ?? null;
  }

  push(added: Parked): void {
    const items = this.#items;
    let index = items.length;
    items.push(added);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = at(items, parent);
      if (!isBefore(added, above)) break;
      items[index] = above;
      index = parent;
    }
    items[index] = added;
  }

  pop(): void {
    const items = this.#items;
    const last = items.pop();
    if (last === undefined || items.length === 0) return;
    let index = 0;
    for (let child = 1; child < items.length; child = 2 * index + 1) {
      if (child + 1 < items.length && isBefore(at(items, child + 1), at(items, child))) child += 1;
      const below = at(items, child);
      if (!isBefore(below, last)) break;
      items[index] = below;
      index = child;
    }
    items[index] = last;
  }
}

function isBefore(a: Parked, b: Parked): boolean {
  return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.order < b.order);
}

function at(items: readonly Parked[], index: number): Parked {
  const item = items[index];
  assert(item !== undefined, 'the index lies in the list');
  return item;
}
