import type { Env } from '../../../env/env.ts';
import { ATTEMPTS_MAX, ATTEMPTS_MS_MAX, BACKOFF_BASE_MS, BACKOFF_MS_MAX } from '../limits.ts';

export type BackOffEnv = Pick<Env, 'clock' | 'random'>;

/**
 * The tries of one act: so many, within so much time, with pauses that grow and are drawn by lot ("full jitter"), so that those whom one
 * trouble has hit do not come back all at once.
 */
export class BackOff {
  readonly #env: BackOffEnv;
  readonly #startMs: number;
  #tries = 1;

  constructor(env: BackOffEnv) {
    this.#env = env;
    this.#startMs = env.clock.monotonicMs();
  }

  /** @returns false when there is to be no other try; else true, after a pause. @throws the signal's reason. */
  async pause(signal: AbortSignal | undefined): Promise<boolean> {
    const { clock, random } = this.#env;
    const pauseMs = random.fraction() * Math.min(BACKOFF_MS_MAX, BACKOFF_BASE_MS * 2 ** this.#tries);
    if (this.#tries >= ATTEMPTS_MAX || clock.monotonicMs() + pauseMs - this.#startMs > ATTEMPTS_MS_MAX)
      return false;
    this.#tries += 1;
    await clock.sleep(pauseMs, signal);
    return true;
  }
}
