/**
 * Work that is tried, at ever longer intervals, until it succeeds or the daemon ends:
 *
 *     waiting ──time is over, `tryNow`──▶ trying ──fails──▶ waiting (about twice as long)
 *                                            └──succeeds──▶ done
 */
import { asError } from '../base/errors.ts';
import { HOLD_RETRY_MS_MAX, HOLD_RETRY_MS_MIN } from './limits.ts';
import type { Clock } from '../env/clock.ts';

/** How often it is looked whether everything was tried. */
const POLL_MS = 50;

interface Work {
  /** Ends the waiting; null while it is tried. */
  wake: (() => void) | null;
  /** Why it failed last; null before the first try. */
  trouble: Error | null;
  tries: number;
  isCanceled: boolean;
}

export class Retries {
  readonly #clock: Clock;
  readonly #ending: AbortSignal;
  readonly #onFailure: (key: string, error: Error) => void;
  readonly #works = new Map<string, Work>();

  /** @param ending aborted when the daemon ends. */
  constructor(clock: Clock, ending: AbortSignal, onFailure: (key: string, error: Error) => void) {
    this.#clock = clock;
    this.#ending = ending;
    this.#onFailure = onFailure;
  }

  /** Why the work of this key failed last; null when it did not, or there is none. */
  trouble(key: string): Error | null {
    return this.#works.get(key)?.trouble ?? null;
  }

  /**
   * Resolves when it is done, or was given up.
   * @param key of the VM: one piece of work for each at a time is told of. @throws the reason of `ending`.
   */
  async untilDone(
    key: string,
    act: () => Promise<void>,
    firstWaitMs: number = HOLD_RETRY_MS_MIN,
  ): Promise<void> {
    const work: Work = { wake: null, trouble: null, tries: 0, isCanceled: false };
    this.#works.set(key, work);
    try {
      for (let waitMs = firstWaitMs; ; waitMs = Math.min(waitMs * 2 + HOLD_RETRY_MS_MIN, HOLD_RETRY_MS_MAX)) {
        await this.#wait(work, waitMs);
        if (work.isCanceled) return;
        try {
          return await act();
        } catch (error) {
          work.trouble = asError(error);
          this.#onFailure(key, work.trouble);
        } finally {
          work.tries += 1;
        }
      }
    } finally {
      if (this.#works.get(key) === work) this.#works.delete(key);
    }
  }

  /** Gives up what waits; false when it is being tried just now, or there is none. */
  cancel(key: string): boolean {
    const work = this.#works.get(key);
    if (work === undefined || work.wake === null) return false;
    work.isCanceled = true;
    work.wake();
    return true;
  }

  /** Tries all that waits at once; resolves when each was tried once more, or after `timeoutMs`. */
  async tryNow(timeoutMs: number): Promise<void> {
    const before = [...this.#works].map(([key, work]) => ({ key, work, tries: work.tries }));
    for (const { work } of before) work.wake?.();
    const endMs = this.#clock.monotonicMs() + timeoutMs;
    const isTried = ({ key, work, tries }: (typeof before)[number]): boolean =>
      work.tries > tries || this.#works.get(key) !== work;
    while (!before.every(isTried) && this.#clock.monotonicMs() < endMs)
      await this.#clock.sleep(POLL_MS, this.#ending);
  }

  async #wait(work: Work, waitMs: number): Promise<void> {
    const early = new AbortController();
    work.wake = () => early.abort(new Error('tried now'));
    try {
      await this.#clock.sleep(waitMs, AbortSignal.any([this.#ending, early.signal]));
    } catch (error) {
      if (this.#ending.aborted) throw error;
    } finally {
      work.wake = null;
    }
  }
}
