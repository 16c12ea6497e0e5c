import type { Clock } from '../../src/env/clock.ts';
import type { Env } from '../../src/env/env.ts';

/** Longer than any pause between two tries, shorter than what waits for an answer. */
const PAUSE_MS_MAX = 20_000;

/** A world in which pauses between tries take no time; the time that an answer may take is the real one. */
export function hastyEnv(env: Env): Env {
  const { clock } = env;
  const hasty: Clock = {
    wallMs: () => clock.wallMs(),
    wallNs: () => clock.wallNs(),
    monotonicMs: () => clock.monotonicMs(),
    sleep: async (durationMs, signal) =>
      await clock.sleep(durationMs > PAUSE_MS_MAX ? durationMs : 0, signal),
  };
  return { ...env, clock: hasty };
}
