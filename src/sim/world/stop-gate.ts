/** What a process that is stopped by a signal waits at. */
export class StopGate {
  #opened: PromiseWithResolvers<void> | null = null;

  /** False when it was so already. */
  set(isStopped: boolean): boolean {
    if ((this.#opened !== null) === isStopped) return false;
    this.#opened?.resolve();
    this.#opened = isStopped ? Promise.withResolvers<void>() : null;
    return true;
  }

  /** Resolves at once while the process is not stopped. */
  async passed(): Promise<void> {
    while (this.#opened !== null) await this.#opened.promise;
  }
}
