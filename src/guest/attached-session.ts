/**
 * An attachment to one session of the guest.
 *
 *   attached ──▶ ended       exec.exited came; what waits is still read
 *      ├───────▶ detaching ──▶ detached    detach(), or the reader left; what waits is dropped
 *      └───────▶ lost        the connection ended; what waits is still read, then the reader gets the error
 */
import { KelpieError, isKelpieError } from '../base/errors.ts';
import type { Bytes } from '../base/bytes.ts';
import type { ErrorCode } from '../base/error-codes.ts';
import { EventQueue } from './event-queue.ts';
import type { GuestSession, SessionEvent, SessionExit, TerminalSize } from './guest-agent.ts';
import { guestProtocolError } from './guest-errors.ts';
import type { Channel, GuestLink } from './guest-link.ts';
import { SESSION_WINDOW_BYTES } from './limits.ts';
import { oneReader } from './one-reader.ts';
import { streams } from './payloads.ts';
import type { StreamNumber } from './payloads.ts';
import type { RpcClient } from './rpc-client.ts';
import { parseNothing } from './schemas.ts';
import type { GuestEvent } from './schemas.ts';
import { StreamSender } from './stream-sender.ts';
import { ReceiveWindow } from './stream-windows.ts';

type State =
  | { readonly kind: 'attached' | 'ended' | 'lost' }
  | { readonly kind: 'detaching'; readonly done: Promise<void> };

export interface Attachment {
  readonly session: number;
  readonly pid: number | null;
  readonly offsets: { readonly stdout: number; readonly stderr: number };
  readonly stdin: { readonly offset: number; readonly limit: number };
}

/** Of a signal or a size, by a guest whose command has ended, or has no terminal. */
const END_REFUSALS: readonly ErrorCode[] = ['invalid_state', 'session_not_found'];

type OutputStream = 'stdout' | 'stderr';

export class AttachedSession implements GuestSession, Channel {
  readonly session: number;
  readonly pid: number | null;
  readonly offsets: { readonly stdout: number; readonly stderr: number };
  readonly stdinOffset: number;
  readonly events: AsyncIterable<SessionEvent>;
  readonly #link: GuestLink;
  readonly #rpc: RpcClient;
  readonly #windows: Readonly<Record<OutputStream, ReceiveWindow>>;
  readonly #queue: EventQueue;
  readonly #stdin: StreamSender;
  #state: State = { kind: 'attached' };

  /** Opens the channel; the guest has just answered that we are attached. */
  constructor(link: GuestLink, rpc: RpcClient, attachment: Attachment) {
    this.session = attachment.session;
    this.pid = attachment.pid;
    this.offsets = attachment.offsets;
    this.stdinOffset = attachment.stdin.offset;
    this.#link = link;
    this.#rpc = rpc;
    this.#windows = {
      stdout: new ReceiveWindow(attachment.offsets.stdout, SESSION_WINDOW_BYTES),
      stderr: new ReceiveWindow(attachment.offsets.stderr, SESSION_WINDOW_BYTES),
    };
    this.#queue = new EventQueue((stream, length) => this.#grant(stream, length));
    this.events = oneReader(
      () => this.#queue.next(),
      () => this.detach(),
    );
    this.#stdin = new StreamSender(link, this.session, attachment.stdin.offset, attachment.stdin.limit);
    link.openChannel(this.session, this);
  }

  /** Gives the first credit, which the request to attach could not yet name. */
  grantFirst(): void {
    for (const name of ['stdout', 'stderr'] as const) {
      const position = this.offsets[name] + SESSION_WINDOW_BYTES;
      this.#link.sendCredit({ channel: this.session, stream: streams[name], position });
    }
  }

  async writeStdin(bytes: Bytes): Promise<void> {
    await this.#unlessEnded(this.#stdin.write(bytes));
  }

  async endStdin(): Promise<void> {
    await this.#unlessEnded(this.#stdin.end());
  }

  async signal(signal: number): Promise<void> {
    const params = { session: this.session, signal };
    await this.#unlessEnded(
      this.#rpc.call({ method: 'exec.signal', params, accept: parseNothing }),
      ...END_REFUSALS,
    );
  }

  async resize(size: TerminalSize): Promise<void> {
    const params = { session: this.session, rows: size.rows, columns: size.columns };
    await this.#unlessEnded(
      this.#rpc.call({ method: 'exec.resize', params, accept: parseNothing }),
      ...END_REFUSALS,
    );
  }

  async detach(): Promise<void> {
    if (this.#state.kind === 'detaching') return this.#state.done;
    if (this.#state.kind !== 'attached') return this.#queue.discard();
    const done = this.#leave();
    this.#state = { kind: 'detaching', done };
    this.#queue.discard();
    this.#stdin.fail(
      new KelpieError('invalid_state', `session ${this.session} was detached; attach to it again`),
    );
    await done;
  }

  onData(stream: StreamNumber, offset: number, bytes: Bytes): void {
    const name = outputStream(stream);
    this.#windows[name].accept(offset, bytes.byteLength);
    if (this.#state.kind === 'attached') this.#queue.pushOutput(name, offset, bytes);
  }

  onEnd(stream: StreamNumber, length: number): void {
    const name = outputStream(stream);
    this.#windows[name].end(length);
    if (this.#state.kind === 'attached') this.#queue.push({ kind: 'end', stream: name, offset: length });
  }

  onCredit(stream: StreamNumber, limit: number): void {
    if (stream !== streams.stdin) throw guestProtocolError('CREDIT for output');
    this.#stdin.raise(limit);
  }

  onEvent(event: GuestEvent): void {
    if (event.kind !== 'exited') throw guestProtocolError('a transfer event for a session');
    if (!this.#windows.stdout.isEnded || !this.#windows.stderr.isEnded) {
      throw guestProtocolError('exec.exited before the end of the output');
    }
    this.#end(event.exit);
  }

  onClosed(error: Error): void {
    if (this.#state.kind === 'attached') this.#state = { kind: 'lost' };
    this.#queue.fail(error);
    this.#stdin.fail(error);
  }

  #end(exit: SessionExit): void {
    this.#link.closeChannel(this.session);
    if (this.#state.kind !== 'attached') return;
    this.#state = { kind: 'ended' };
    this.#queue.push({ kind: 'exit', exit });
    this.#queue.close();
    this.#stdin.fail(new KelpieError('invalid_state', `the command of session ${this.session} has ended`));
  }

  /**
   * What comes too late for the command is no failure of whoever sent it: the exit says what became of it.
   * @param refusals by which the guest tells of the end before we have read of it.
   */
  async #unlessEnded(act: Promise<unknown>, ...refusals: readonly ErrorCode[]): Promise<void> {
    try {
      await act;
    } catch (error) {
      const isLate = refusals.length > 0 && isKelpieError(error, ...refusals);
      if (this.#state.kind !== 'ended' && !isLate) throw error;
    }
  }

  async #leave(): Promise<void> {
    try {
      await this.#rpc.call({
        method: 'exec.detach',
        params: { session: this.session },
        accept: (result) => {
          parseNothing(result);
          this.#link.closeChannel(this.session);
        },
      });
    } catch (error) {
      // An ended session may have been forgotten meanwhile, and an ended connection has detached us already.
      if (isKelpieError(error, 'session_not_found')) return this.#link.closeChannel(this.session);
      if (this.#link.failure === null) throw error;
    }
  }

  #grant(stream: OutputStream, length: number): void {
    const limit = this.#windows[stream].consume(length);
    if (limit === null || this.#state.kind !== 'attached') return;
    this.#link.sendCredit({ channel: this.session, stream: streams[stream], position: limit });
  }
}

function outputStream(stream: StreamNumber): OutputStream {
  if (stream === streams.stdin) throw guestProtocolError('output on stream 0');
  return stream === streams.stdout ? 'stdout' : 'stderr';
}
