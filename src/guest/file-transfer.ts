import { asError } from '../base/errors.ts';
import type { Bytes } from '../base/bytes.ts';
import type { Clock } from '../env/clock.ts';
import { guestProtocolError, guestRefusal, guestUnreachable } from './guest-errors.ts';
import type { Channel, GuestLink } from './guest-link.ts';
import { TRANSFER_STALL_MS } from './limits.ts';
import type { StreamNumber } from './payloads.ts';
import type { RpcClient } from './rpc-client.ts';
import { parseNothing } from './schemas.ts';
import type { GuestEvent } from './schemas.ts';
import { startTimer } from './timer.ts';

/** What a transfer works with. */
export interface TransferContext {
  readonly clock: Clock;
  readonly link: GuestLink;
  readonly rpc: RpcClient;
}

/** Runs `act`, and calls `onStall` if it takes longer than a transfer may stand still. */
export async function watched<T>(
  clock: Clock,
  onStall: (error: Error) => void,
  act: () => Promise<T>,
): Promise<T> {
  const cancel = startTimer(clock, TRANSFER_STALL_MS, () =>
    onStall(guestUnreachable(`the transfer stood still for ${TRANSFER_STALL_MS} ms`)),
  );
  try {
    return await act();
  } finally {
    cancel();
  }
}

/** What both directions share: the channel, its end by event or connection, and giving up. */
export abstract class Transfer implements Channel {
  protected readonly context: TransferContext;
  protected readonly channel: number;
  /** Told in refusals that come as events. */
  readonly #method: string;
  #isOpen = true;

  protected constructor(context: TransferContext, channel: number, method: string) {
    this.context = context;
    this.channel = channel;
    this.#method = method;
    context.link.openChannel(channel, this);
  }

  abstract onData(stream: StreamNumber, offset: number, bytes: Bytes): void;
  abstract onEnd(stream: StreamNumber, length: number): void;
  abstract onCredit(stream: StreamNumber, limit: number): void;
  /** Whoever waits on this transfer gets `error`. */
  protected abstract fail(error: Error): void;

  onEvent(event: GuestEvent): void {
    if (event.kind !== 'failed') throw guestProtocolError('a session event for a transfer');
    this.finish();
    this.fail(guestRefusal({ method: this.#method, params: {} }, event.failure));
  }

  onClosed(error: Error): void {
    this.#isOpen = false;
    this.fail(error);
  }

  /** The guest has no such transfer any more. */
  protected finish(): void {
    this.#isOpen = false;
    this.context.link.closeChannel(this.channel);
  }

  /** Gives up a transfer under way; does nothing for one that has ended. */
  async abort(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    try {
      await this.context.rpc.call({
        method: 'file.abort',
        params: { channel: this.channel },
        accept: (result) => {
          parseNothing(result);
          this.finish();
        },
      });
    } catch (error) {
      // Only the end of the connection makes sure then that the guest drops the transfer.
      this.context.link.fail(asError(error));
    }
  }
}
