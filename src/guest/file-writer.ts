import type { Bytes } from '../base/bytes.ts';
import { Transfer, watched } from './file-transfer.ts';
import type { TransferContext } from './file-transfer.ts';
import type { GuestFileWrite } from './guest-agent.ts';
import { guestProtocolError } from './guest-errors.ts';
import { GUEST_SYNC_TIMEOUT_MS } from './limits.ts';
import { streams } from './payloads.ts';
import type { StreamNumber } from './payloads.ts';
import { parseCommitted, parseNothing } from './schemas.ts';
import { StreamSender } from './stream-sender.ts';

class FileWriter extends Transfer {
  readonly #sender: StreamSender;

  constructor(context: TransferContext, channel: number) {
    super(context, channel, 'file.write');
    this.#sender = new StreamSender(context.link, channel, 0, 0);
  }

  onData(): void {
    throw guestProtocolError('DATA for a file being written');
  }

  onEnd(): void {
    throw guestProtocolError('END for a file being written');
  }

  onCredit(stream: StreamNumber, limit: number): void {
    if (stream !== streams.stdin) throw guestProtocolError(`CREDIT for a file on stream ${stream}`);
    this.#sender.raise(limit);
  }

  async writeAll(bytes: AsyncIterable<Bytes>): Promise<{ readonly sizeBytes: number }> {
    try {
      for await (const chunk of bytes) {
        await this.#watched(() => this.#sender.write(chunk));
      }
      await this.#watched(() => this.#sender.end());
      return await this.#commit();
    } catch (error) {
      await this.abort();
      throw error;
    }
  }

  protected fail(error: Error): void {
    this.#sender.fail(error);
  }

  #watched(act: () => Promise<void>): Promise<void> {
    return watched(this.context.clock, (error) => this.fail(error), act);
  }

  #commit(): Promise<{ readonly sizeBytes: number }> {
    return this.context.rpc.call({
      method: 'file.commit',
      params: { channel: this.channel },
      timeoutMs: GUEST_SYNC_TIMEOUT_MS,
      accept: (result) => {
        const committed = parseCommitted(result);
        if (committed.sizeBytes !== this.#sender.offset) {
          throw guestProtocolError(`it committed ${committed.sizeBytes} of ${this.#sender.offset} bytes`);
        }
        this.finish();
        return committed;
      },
    });
  }
}

/** Resolves when the file is durable under its name; else the target is untouched. */
export async function writeGuestFile(
  context: TransferContext,
  channel: number,
  write: GuestFileWrite,
  bytes: AsyncIterable<Bytes>,
): Promise<{ readonly sizeBytes: number }> {
  const writer = await context.rpc.call({
    method: 'file.write',
    params: { channel, ...write },
    accept: (result) => {
      parseNothing(result);
      return new FileWriter(context, channel);
    },
    onLate: (late) => void late.abort(),
  });
  return writer.writeAll(bytes);
}
