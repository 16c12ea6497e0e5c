import { KelpieError } from './errors.ts';

/**
 * The error of an act that its signal has ended: the signal's own reason where that is one of ours.
 * @param act what was given up, for the sentence: `publishing the package`.
 */
export function canceledError(signal: AbortSignal, act: string): KelpieError {
  const reason: unknown = signal.reason;
  if (reason instanceof KelpieError) return reason;
  return new KelpieError('canceled', `${act} was canceled.`, { cause: reason });
}

/** @throws KelpieError `canceled`, or the signal's reason where that is one of ours. */
export function throwIfCanceled(signal: AbortSignal | undefined, act: string): void {
  if (signal?.aborted === true) throw canceledError(signal, act);
}
