/**
 * Acts that one producer begins, that run beside it and beside each other, and that end together:
 *
 *     producer ── begin: waits for room ──▶ act ──▶ act ends, room for the next
 *         │                                  └── fails: the group's signal is aborted, nothing else begins
 *         └── end: waits for all; throws the first failure
 */
import { assert } from './assert.ts';

interface Failure {
  readonly error: unknown;
}

export class TaskGroup {
  /** Aborted by the first failure, and with the signal that the group was made with. */
  readonly signal: AbortSignal;
  readonly #failed = new AbortController();
  readonly #running = new Set<Promise<void>>();
  #failure: Failure | null = null;

  constructor(signal?: AbortSignal) {
    const own = this.#failed.signal;
    this.signal = signal === undefined ? own : AbortSignal.any([signal, own]);
  }

  /** A part of the group that holds at most so much at once. @param room in the unit of `Lane.begin`. */
  lane(room: number): Lane {
    return new Lane(this, room);
  }

  /** @throws the first failure, or the signal's reason. */
  throwIfEnded(): void {
    if (this.#failure !== null) throw this.#failure.error;
    this.signal.throwIfAborted();
  }

  /** Waits for every act, also for those that acts begin. @throws the first failure, or the signal's reason. */
  async end(): Promise<void> {
    await this.#settle();
    this.throwIfEnded();
  }

  /** For a producer that has failed: ends the others, and waits until nothing runs. @returns the first failure of all, which may be older than its own. */
  async abandon(error: unknown): Promise<unknown> {
    this.#fail(error);
    await this.#settle();
    return this.#failure?.error;
  }

  /** For `Lane` alone. */
  run(act: () => Promise<void>): Promise<void> {
    const running = this.#guard(act).finally(() => this.#running.delete(running));
    this.#running.add(running);
    return running;
  }

  async #guard(act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    if (this.#failure !== null) return;
    this.#failure = { error };
    this.#failed.abort(error);
  }

  async #settle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }
}

export class Lane {
  readonly #group: TaskGroup;
  readonly #room: number;
  #used = 0;
  #changed = Promise.withResolvers<void>();

  /** For `TaskGroup` alone. */
  constructor(group: TaskGroup, room: number) {
    assert(room > 0, 'a lane has room');
    this.#group = group;
    this.#room = room;
  }

  /**
   * Waits until there is room for `size`, and begins; what is larger than the lane runs alone in it. The act's failure is the group's.
   * @throws the group's first failure; the act is not begun then.
   */
  async begin(size: number, act: () => Promise<void>): Promise<void> {
    while (this.#used > 0 && this.#used + size > this.#room) await this.#changed.promise;
    this.#group.throwIfEnded();
    this.#used += size;
    void this.#group.run(act).then(() => {
      this.#used -= size;
      this.#changed.resolve();
      this.#changed = Promise.withResolvers();
    });
  }

  /** Waits until nothing runs in the lane. @throws the group's first failure. */
  async idle(): Promise<void> {
    while (this.#used > 0) await this.#changed.promise;
    this.#group.throwIfEnded();
  }
}
