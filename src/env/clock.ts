/** Time. Wall time may jump; monotonic time only grows and is what every bound is measured on. */
export interface Clock {
  /** Milliseconds since the Unix epoch, with a fraction. */
  wallMs(): number;
  /** Nanoseconds since the Unix epoch, as exact as the system gives them; for the guest's clock. */
  wallNs(): bigint;
  /** Milliseconds since an arbitrary start, with a fraction; never goes back. */
  monotonicMs(): number;
  /**
   * Resolves after at least `durationMs`.
   * @throws the signal's reason, at once, when `signal` is or becomes aborted.
   */
  sleep(durationMs: number, signal?: AbortSignal): Promise<void>;
}
