/**
 * When a holder of a lease acts, and how long somebody else must wait:
 *
 *     renewal is asked for                                                   lease D is over
 *     ├────────── renewed each D/3 ──────────┬───── margin/2 ──┬── margin/2 ──┤── margin ──┐
 *     0                                      paused            frozen         D            may be reclaimed
 *
 * Times count from the moment *before* the request was sent, by the holder's clock. Whoever reclaims counts from the moment *after* it has seen a
 * revision, by its own: that is later. So no two clocks are compared; they only have to run at nearly one rate.
 */
import { SECOND_MS } from '../base/units.ts';
import type { Clock } from '../env/clock.ts';

/** How far a host's steady clock may be from the true rate. Quartz is off by 0.0001 at worst, and steered clocks by 0.0005. */
export const CLOCK_RATE_ERROR_MAX = 0.02;
/** For being scheduled late, and for the pause itself. */
const MARGIN_MS: number = 6 * SECOND_MS;
/** Both clocks may be wrong, the one fast and the other slow; and what is left of the margin is for acting. */
const MARGIN_SHARE: number = 2.5 * CLOCK_RATE_ERROR_MAX;

export interface LeaseTimes {
  /** How often the holder renews. */
  readonly renewMs: number;
  /** When it pauses its VM. */
  readonly pauseMs: number;
  /** When what it left behind freezes the VM, should the holder itself be dead or stuck. */
  readonly fuseMs: number;
  /** How long another host must see one revision stand. */
  readonly observeMs: number;
}

export function leaseTimes(durationMs: number): LeaseTimes {
  const marginMs = MARGIN_MS + MARGIN_SHARE * durationMs;
  return {
    renewMs: durationMs / 3,
    pauseMs: durationMs - marginMs,
    fuseMs: durationMs - marginMs / 2,
    observeMs: durationMs + marginMs,
  };
}

/** Now, on both clocks. */
export interface Moment {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

export function momentOf(clock: Clock): Moment {
  return { monotonicMs: clock.monotonicMs(), wallMs: clock.wallMs() };
}

/**
 * The most that can have passed since: the steady clock may stand still while a machine sleeps, and the wall clock may be set. A wall clock that is set
 * ahead ends a lease too early, which costs a pause; one that is set back is not believed.
 */
export function elapsedAtMostMs(clock: Clock, since: Moment): number {
  return Math.max(clock.monotonicMs() - since.monotonicMs, clock.wallMs() - since.wallMs);
}
