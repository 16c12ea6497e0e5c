import type { Clock } from '../../env/clock.ts';
import type { SimProcess } from '../process.ts';

/** How late a sleeper may wake, in milliseconds. */
const WAKE_LATE_MS_MAX = 2;

/** The clocks of a process's machine. */
export function createSimClock(process: SimProcess): Clock {
  const { machine } = process;
  const wallMs = (): number => machine.wallOffsetMs + machine.scheduler.nowMs;
  return {
    // Quantised, so that the two units and the sum agree exactly.
    wallMs: () => Math.floor(wallMs() * 1000) / 1000,
    wallNs: () => BigInt(Math.floor(wallMs() * 1000)) * 1000n,
    monotonicMs: () => machine.scheduler.nowMs + 1,
    sleep: (durationMs, signal) =>
      process.call('sleep', () => undefined, {
        delayMs: durationMs + (durationMs === 0 ? 0 : machine.random.fraction() * WAKE_LATE_MS_MAX),
        signal,
      }),
  };
}
