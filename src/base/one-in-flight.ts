/** Overlaps one act with whatever its caller does meanwhile; never two of them. */
export class OneInFlight {
  #current: Promise<void> = Promise.resolve();

  /** Waits for the act before, then begins this one. @throws what the act before has thrown; this one is not begun then. */
  async begin(act: () => Promise<void>): Promise<void> {
    await this.#current;
    this.#current = act();
    // It is thrown by the next `begin` or `end`; until one is called it must not count as unhandled.
    this.#current.catch(() => undefined);
  }

  /** Waits for the last act. @throws what it has thrown. */
  async end(): Promise<void> {
    await this.#current;
  }

  /** Waits for the last act, whatever became of it: for a caller that has failed already. */
  async abandon(): Promise<void> {
    await Promise.allSettled([this.#current]);
  }
}
