/**
 * Waits that tell a process that hangs from a machine that stood still: time counts in ticks, of which a process that was stopped, or not given the processor, gets one for all
 * that it missed.
 */
const TICK_MS = 100;

/** Calls `act` once that much time has been seen to pass. @returns what ends the wait. */
export function afterSeen(durationMs: number, act: () => void): () => void {
  let leftMs = durationMs;
  const timer = setInterval(() => {
    leftMs -= TICK_MS;
    if (leftMs > 0) return;
    clearInterval(timer);
    act();
  }, TICK_MS);
  return () => clearInterval(timer);
}
