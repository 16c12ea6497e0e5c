/**
 * The real clock. Node reads wall time only in whole milliseconds (`Date.now`) and steady time in nanoseconds
 * (`hrtime`), so wall time in nanoseconds is steady time plus an offset, measured where `Date.now` ticks over:
 *
 *   no offset ──wallNs──▶ measure at an edge (≤ 1 ms of spinning) ──▶ offset known
 *                                   ▲                                     │
 *                                   └── Date.now disagrees: clock stepped ┘
 *
 * Slewing by NTP moves both clocks alike, so only a step (or a suspended laptop) makes them disagree.
 */
import { assert } from '../../base/assert.ts';
import type { Clock } from '../clock.ts';

const MS_NS = 1_000_000n;
/** How far `Date.now` may be from the estimate before it counts as a step; covers being descheduled between two reads. */
const STEP_TOLERANCE_NS: bigint = 200_000n;
/** An edge is good when the reads around it are this close; a wider one means that we were descheduled. */
const EDGE_WIDTH_NS_MAX: bigint = 20_000n;
/** Edges to try for a good one before the best is taken: on a machine whose cores are all taken most are wide. */
const EDGE_ATTEMPTS_MAX = 20;
/** The longest delay that Node's timers take; longer sleeps are several. */
const TIMER_MS_MAX = 2_147_483_647;

/** Nanoseconds to add to the steady clock to get wall time. */
function measureOffsetNs(): bigint {
  let best: { offset: bigint; width: bigint } | null = null;
  let before = process.hrtime.bigint();
  let lastMs = Date.now();
  for (let edges = 0; edges < EDGE_ATTEMPTS_MAX;) {
    const nowMs = Date.now();
    const after = process.hrtime.bigint();
    if (nowMs !== lastMs) {
      edges += 1;
      const width = after - before;
      if (best === null || width < best.width) {
        best = { offset: BigInt(nowMs) * MS_NS - (before + width / 2n), width };
      }
      if (width <= EDGE_WIDTH_NS_MAX) break;
    }
    lastMs = nowMs;
    before = after;
  }
  assert(best !== null, 'the loop ends only after an edge');
  return best.offset;
}

class NodeClock implements Clock {
  private offsetNs: bigint | null = null;

  wallMs(): number {
    return Number(this.wallNs() / 1000n) / 1000;
  }

  wallNs(): bigint {
    this.offsetNs ??= measureOffsetNs();
    const estimate = process.hrtime.bigint() + this.offsetNs;
    const aheadNs = BigInt(Date.now()) * MS_NS - estimate;
    // Date.now is cut to its millisecond, so it is behind by less than one.
    if (aheadNs <= STEP_TOLERANCE_NS && aheadNs >= -MS_NS - STEP_TOLERANCE_NS) return estimate;
    this.offsetNs = measureOffsetNs();
    return process.hrtime.bigint() + this.offsetNs;
  }

  monotonicMs(): number {
    return performance.now();
  }

  async sleep(durationMs: number, signal?: AbortSignal): Promise<void> {
    assert(durationMs >= 0, 'a sleep is not negative');
    const deadlineMs = this.monotonicMs() + durationMs;
    let remainingMs = durationMs;
    do {
      await timer(Math.min(Math.ceil(remainingMs), TIMER_MS_MAX), signal);
      // Node's timers count whole milliseconds of the loop's time and may fire a little early.
      remainingMs = deadlineMs - this.monotonicMs();
    } while (remainingMs > 0);
  }
}

async function timer(delayMs: number, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const handle = setTimeout(resolve, delayMs);
  const onAbort = (): void => {
    clearTimeout(handle);
    reject(signal?.reason);
  };
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    await promise;
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}

export function createNodeClock(): Clock {
  return new NodeClock();
}
