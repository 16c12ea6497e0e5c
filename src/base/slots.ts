import { defined } from './assert.ts';

/** Lets at most so many acts run at once; the others wait for their turn, in order. */
export class Slots {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(atOnce: number) {
    this.#free = atOnce;
  }

  async run<T>(act: () => Promise<T>): Promise<T> {
    await this.#enter();
    try {
      return await act();
    } finally {
      // Handed on, not given back first, so that nobody who comes now is before those who wait.
      if (this.#waiting.length > 0) defined(this.#waiting.shift(), 'whoever waits longest')();
      else this.#free += 1;
    }
  }

  async #enter(): Promise<void> {
    if (this.#free > 0) {
      this.#free -= 1;
      return;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push(resolve);
    await promise;
  }
}
