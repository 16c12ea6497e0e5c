import { throwIfCanceled } from '../base/cancel.ts';
import type { Clock } from '../env/clock.ts';
import { QUIESCE_TIMEOUT_MS } from './limits.ts';
import type { Undo } from './undo.ts';
import type { CaptureRequest, LiveVmBase } from './vm-driver.ts';

/** How a VM is stopped and let go on, and what is taken of it meanwhile. */
export interface Stillness<Taken extends object> {
  readonly clock: Clock;
  readonly vm: LiveVmBase;
  readonly request: CaptureRequest;
  readonly undo: Undo;
  /** When it fails, the VM may stand still or not: `goOn` is called. */
  stop(): Promise<void>;
  take(): Promise<Taken>;
  goOn(): Promise<void>;
}

/**
 * The pause of a snapshot. Whatever goes wrong in it, a VM that ran goes on; one that is to stay paused does so when the snapshot fails later.
 *
 *   way to the guest shut ──▶ stop ──▶ take ──▶ goOn ──▶ way open        (a VM that goes on)
 *                                           └──▶ still, way shut          (one that stays paused)
 *
 * @returns what was taken, and how long the guest stood still for it: 0 for one that was paused before.
 */
export async function holdStill<Taken extends object>(
  still: Stillness<Taken>,
): Promise<Taken & { readonly pauseMs: number }> {
  const { clock, vm, request, undo } = still;
  const { isRunning, resume, signal } = request;
  if (!isRunning) return { ...(await still.take()), pauseMs: 0 };
  let isStopped = false;
  let goesOn = true;
  try {
    await vm.link.shut(QUIESCE_TIMEOUT_MS);
    throwIfCanceled(signal, 'taking the snapshot');
    const stoppedMs = clock.monotonicMs();
    isStopped = true;
    await still.stop();
    const taken = await still.take();
    goesOn = resume;
    if (resume) await still.goOn();
    else undo.onFailure(() => goOnAfterAll(still));
    isStopped = !resume;
    return { ...taken, pauseMs: clock.monotonicMs() - stoppedMs };
  } finally {
    if (goesOn && isStopped) await still.goOn();
    if (goesOn) vm.link.reopen();
  }
}

/** What comes after the pause can fail as well: a VM that was to stay paused for a snapshot goes on without one. */
async function goOnAfterAll({ vm, goOn }: Pick<Stillness<object>, 'vm' | 'goOn'>): Promise<void> {
  if (!vm.process.hasEnded()) await goOn();
  vm.link.reopen();
}
