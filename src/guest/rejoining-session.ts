/**
 * A session whose attachment outlives its connection: commands run on in the guest when a connection ends, as every one does in a
 * snapshot under Firecracker.
 *
 *     attached ──connection lost──▶ joined again where it was: output from what was read, input from what the guest took ──▶ attached
 *                                └──▶ cannot be joined: the loss is told
 */
import { concat } from '../base/bytes.ts';
import type { Bytes } from '../base/bytes.ts';
import { asError, isKelpieError, KelpieError } from '../base/errors.ts';
import type { GuestSession, SessionEvent, SessionOffsets, TerminalSize } from './guest-agent.ts';
import { SESSION_STDIN_KEPT_BYTES } from './limits.ts';

/** Attaches to a session again, on a new connection. */
export type Rejoin = (session: number, offsets: SessionOffsets) => Promise<GuestSession>;

export class RejoiningSession implements GuestSession {
  readonly #rejoin: Rejoin;
  #current: GuestSession;
  #rejoining: Promise<void> | null = null;
  /** Bytes of the streams that were handed out. */
  readonly #read: { stdout: number; stderr: number };
  readonly #ended = new Set<'stdout' | 'stderr'>();
  /** The last bytes of stdin that were written, which the guest may not have taken. */
  #kept: Bytes = new Uint8Array(0);
  #written: number;
  #isStdinEnded = false;
  readonly session: number;
  readonly pid: number | null;
  readonly offsets: GuestSession['offsets'];
  readonly stdinOffset: number;

  constructor(first: GuestSession, rejoin: Rejoin) {
    this.#current = first;
    this.#rejoin = rejoin;
    this.session = first.session;
    this.pid = first.pid;
    this.offsets = first.offsets;
    this.stdinOffset = first.stdinOffset;
    this.#read = { ...first.offsets };
    this.#written = first.stdinOffset;
  }

  get events(): AsyncIterable<SessionEvent> {
    return this.#follow();
  }

  async writeStdin(bytes: Bytes): Promise<void> {
    this.#kept = concat([this.#kept, bytes]).slice(-SESSION_STDIN_KEPT_BYTES);
    this.#written += bytes.byteLength;
    // Whoever joins again sends all that was written.
    if (this.#rejoining !== null) return this.#rejoining;
    await this.#orRejoined(this.#current, (session) => session.writeStdin(bytes));
  }

  async endStdin(): Promise<void> {
    this.#isStdinEnded = true;
    if (this.#rejoining !== null) return this.#rejoining;
    await this.#orRejoined(this.#current, (session) => session.endStdin());
  }

  async signal(signal: number): Promise<void> {
    await this.#again((session) => session.signal(signal));
  }

  async resize(size: TerminalSize): Promise<void> {
    await this.#again((session) => session.resize(size));
  }

  async detach(): Promise<void> {
    await this.#current.detach();
  }

  async *#follow(): AsyncGenerator<SessionEvent> {
    for (;;) {
      const current = this.#current;
      try {
        for await (const event of current.events) {
          if (this.#isNews(event)) yield event;
        }
        return;
      } catch (error) {
        await this.#afterLoss(current, error);
      }
    }
  }

  /** A stream that has ended says so again to whoever attaches. */
  #isNews(event: SessionEvent): boolean {
    if (event.kind === 'output') this.#read[event.stream] = event.offset + event.bytes.byteLength;
    if (event.kind !== 'end') return true;
    if (this.#ended.has(event.stream)) return false;
    this.#ended.add(event.stream);
    return true;
  }

  /** An act that joining again makes up for. */
  async #orRejoined(current: GuestSession, act: (session: GuestSession) => Promise<void>): Promise<void> {
    try {
      await act(current);
    } catch (error) {
      await this.#afterLoss(current, error);
    }
  }

  /** An act that is done again once it was joined again. */
  async #again(act: (session: GuestSession) => Promise<void>): Promise<void> {
    await this.#rejoining;
    const current = this.#current;
    try {
      await act(current);
    } catch (error) {
      await this.#afterLoss(current, error);
      await act(this.#current);
    }
  }

  /** Returns when the session is joined again. @throws the loss when it cannot be, and what is no loss. */
  async #afterLoss(lost: GuestSession, error: unknown): Promise<void> {
    if (!isKelpieError(error, 'guest_unreachable')) throw error;
    if (lost !== this.#current) return;
    this.#rejoining ??= this.#join(error).finally(() => {
      this.#rejoining = null;
    });
    await this.#rejoining;
  }

  async #join(loss: unknown): Promise<void> {
    let joined: GuestSession;
    try {
      joined = await this.#rejoin(this.session, { ...this.#read });
    } catch (error) {
      // Mostly the VM has ended, which is told elsewhere: what happened to the caller is the loss.
      throw new KelpieError('guest_unreachable', asError(loss).message, { cause: error });
    }
    const { stdout, stderr } = joined.offsets;
    const isWhole =
      stdout === this.#read.stdout &&
      stderr === this.#read.stderr &&
      joined.stdinOffset >= this.#written - this.#kept.byteLength &&
      joined.stdinOffset <= this.#written;
    if (!isWhole) {
      await joined.detach();
      throw loss;
    }
    await this.#sendAgain(joined);
    this.#current = joined;
  }

  /** What the guest has not taken, and what is written meanwhile. */
  async #sendAgain(joined: GuestSession): Promise<void> {
    let sent = joined.stdinOffset;
    while (sent < this.#written) {
      const unsent = this.#kept.slice(this.#kept.byteLength - (this.#written - sent));
      sent = this.#written;
      await joined.writeStdin(unsent);
    }
    if (this.#isStdinEnded) await joined.endStdin();
  }
}
