/**
 * Between machines: names, and what happens to bytes on their way. A connection keeps their order; connections overtake one another, so a
 * request whose client has long given up may still arrive and be done.
 */
import type { Bytes } from '../base/bytes.ts';
import { SystemError } from '../env/system-error.ts';
import type { Machine } from './machine.ts';
import type { SimProcess } from './process.ts';

const LATENCY_MS_MAX = 10;
/** Longer than a client waits for an answer. */
const DELAY_MS_MAX = 60_000;

export class Network {
  readonly #machines = new Map<string, Machine>();

  /** @param host as others call it. */
  join(host: string, machine: Machine): void {
    this.#machines.set(host, machine);
  }

  /** Null when nobody has the name: nobody answers there, not even with a refusal. */
  find(host: string): Machine | null {
    return this.#machines.get(host) ?? null;
  }
}

/** The way between two machines, as one connection has it. */
export class Link {
  readonly #ends: readonly [Machine, Machine];

  constructor(near: Machine, far: Machine) {
    this.#ends = [near, far];
  }

  /** How long what is sent now is on its way. @param process that receives it. */
  delayMs(process: SimProcess): number {
    const { random, faults } = process.machine;
    const strike = faults.hit('network_delay', process.label);
    const slowMs = strike === null ? 0 : strike.random.fraction() ** 2 * DELAY_MS_MAX;
    return Math.max(random.fraction() * LATENCY_MS_MAX + slowMs, this.#cutMs);
  }

  /** Brings what the other side sent. @throws SystemError `ECONNRESET` when the connection dies on the way. */
  async carry(process: SimProcess, bytes: Bytes | null): Promise<Bytes | null> {
    return await process.call('network.carry', () => this.#arrive(process, bytes), {
      delayMs: this.delayMs(process),
    });
  }

  #arrive(process: SimProcess, bytes: Bytes | null): Bytes | null {
    if (process.machine.faults.hit('network_packet_loss', process.label) !== null)
      throw new SystemError('ECONNRESET', 'read', 'connection');
    return bytes;
  }

  /** Nothing gets through until the network is whole again. */
  get #cutMs(): number {
    return Math.max(...this.#ends.map((machine) => machine.meetCut()));
  }
}
