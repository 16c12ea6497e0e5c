/**
 * The way to a VM's guest agent, which can be shut while the VM must not change.
 *
 *   open ──shut──▶ shut: calls wait, writes wait ──reopen──▶ open
 *
 * A VMM may hand bytes for the guest to the guest's buffers even while the guest is stopped (QEMU does, with what comes on a serial
 * port): that would change its memory between what is copied and the device state. So nothing may be on its way during a snapshot.
 */
import { isKelpieError } from '../base/errors.ts';
import type { Env } from '../env/env.ts';
import type { Connection } from '../env/sockets.ts';
import { connectGuestAgent } from '../guest/connect-guest-agent.ts';
import type { ConnectOptions } from '../guest/connect-guest-agent.ts';
import type { GuestAgent } from '../guest/guest-agent.ts';
import { TrafficGate } from './traffic-gate.ts';

/** What a guest can do wrong; the host's acts do not fail for it. */
const GUEST_TROUBLES = ['timeout', 'guest_unreachable', 'guest_protocol_error', 'guest_failed'] as const;

export class AgentLink {
  readonly #env: Env;
  readonly #open: (signal: AbortSignal) => Promise<Connection>;
  readonly #gate: TrafficGate;
  #agent: GuestAgent | null = null;
  #connecting: Promise<GuestAgent> | null = null;
  #held: { release(): void } | null = null;

  /** @param open gives a fresh stream to the agent, as for `connectGuestAgent`. */
  constructor(env: Env, open: (signal: AbortSignal) => Promise<Connection>) {
    this.#env = env;
    this.#open = open;
    this.#gate = new TrafficGate(env.clock);
  }

  /** The agent, greeted again when its connection was lost; many may ask at once. @throws KelpieError `guest_unreachable` … */
  async connect(options: ConnectOptions): Promise<GuestAgent> {
    if (this.#agent !== null) return this.#agent;
    this.#connecting ??= this.#greet(options).finally(() => {
      this.#connecting = null;
    });
    return this.#connecting;
  }

  /** Lets nothing more through to the guest. Waits at most `timeoutMs` for questions under way; the guest need not answer. */
  async shut(timeoutMs: number): Promise<void> {
    if (this.#agent !== null && this.#held === null) {
      try {
        this.#held = await this.#agent.quiesce(timeoutMs);
      } catch (error) {
        // A guest that does not answer is snapshotted as it is: its next connection begins with a new greeting.
        if (!isKelpieError(error, 'timeout', 'guest_unreachable', 'guest_protocol_error')) throw error;
      }
    }
    this.#gate.close();
  }

  /** How many bytes the VMM may still be about to hand to the guest, after `shut`. */
  pendingBytesMax(): number {
    return this.#gate.pendingBytesMax();
  }

  reopen(): void {
    this.#gate.open();
    this.#held?.release();
    this.#held = null;
  }

  /**
   * Gives a guest that was stopped the time it missed: its clock stood still with it, and a certificate or a token that it
   * looks at next may depend on it. A guest that does not answer in `timeoutMs` goes on with the clock that it has.
   */
  async correctClock(timeoutMs: number): Promise<void> {
    try {
      const agent = await this.connect({ timeoutMs });
      await agent.setClock(() => this.#env.clock.wallNs());
    } catch (error) {
      if (!isKelpieError(error, ...GUEST_TROUBLES)) throw error;
    }
  }

  /** The VM has ended, or we let go of it, or its end of the connection is gone: the next `connect` greets anew. */
  close(): void {
    this.reopen();
    this.#agent?.close();
    this.#agent = null;
  }

  async #greet(options: ConnectOptions): Promise<GuestAgent> {
    const open = async (signal: AbortSignal): Promise<Connection> =>
      this.#gate.guard(await this.#open(signal));
    const agent = await connectGuestAgent(this.#env, open, options);
    this.#agent = agent;
    void agent.closed.then(() => {
      if (this.#agent === agent) this.#agent = null;
    });
    return agent;
  }
}
