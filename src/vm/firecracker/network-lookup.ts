import type { Clock } from '../../env/clock.ts';
import { NO_NETWORK_KEPT_MS } from './limits.ts';
import type { Network } from './network.ts';

/**
 * What this host gives VMs: looked for when it is needed first, and kept. That there is none is kept for `NO_NETWORK_KEPT_MS` alone: what is installed
 * later is found later, and whoever asks often does not make a namespace each time.
 */
export class NetworkLookup {
  readonly #clock: Clock;
  readonly #look: () => Promise<Network>;
  #found: Promise<Network> | null = null;
  /** By the monotonic clock; never for a network that there is. */
  #staleMs = Infinity;

  constructor(clock: Clock, look: () => Promise<Network>) {
    this.#clock = clock;
    this.#look = look;
  }

  /** @throws what `look` throws; whoever asks next looks again. */
  network(): Promise<Network> {
    if (this.#found === null || this.#clock.monotonicMs() >= this.#staleMs) this.#found = this.#lookAgain();
    return this.#found;
  }

  async #lookAgain(): Promise<Network> {
    this.#staleMs = Infinity;
    try {
      const network = await this.#look();
      if (network.kind === 'none') this.#staleMs = this.#clock.monotonicMs() + NO_NETWORK_KEPT_MS;
      return network;
    } catch (error) {
      this.#found = null;
      throw error;
    }
  }
}
