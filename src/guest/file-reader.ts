import type { Bytes } from '../base/bytes.ts';
import { EventQueue } from './event-queue.ts';
import { Transfer, watched } from './file-transfer.ts';
import type { TransferContext } from './file-transfer.ts';
import type { GuestFileInfo } from './guest-agent.ts';
import { guestProtocolError } from './guest-errors.ts';
import { TRANSFER_WINDOW_BYTES } from './limits.ts';
import { oneReader } from './one-reader.ts';
import { streams } from './payloads.ts';
import type { StreamNumber } from './payloads.ts';
import { parseFileRead } from './schemas.ts';
import { ReceiveWindow } from './stream-windows.ts';

class FileReader extends Transfer {
  readonly #window = new ReceiveWindow(0, TRANSFER_WINDOW_BYTES);
  readonly #queue = new EventQueue((_stream, length) => this.#grant(length));
  readonly bytes: AsyncIterable<Bytes> = oneReader(
    () => this.#next(),
    () => this.abort(),
  );

  constructor(context: TransferContext, channel: number) {
    super(context, channel, 'file.read');
  }

  onData(stream: StreamNumber, offset: number, bytes: Bytes): void {
    if (stream !== streams.stdout) throw guestProtocolError(`file bytes on stream ${stream}`);
    this.#window.accept(offset, bytes.byteLength);
    this.#queue.pushOutput('stdout', offset, bytes);
  }

  onEnd(stream: StreamNumber, length: number): void {
    if (stream !== streams.stdout) throw guestProtocolError(`the end of a file on stream ${stream}`);
    this.#window.end(length);
    this.finish();
    this.#queue.close();
  }

  onCredit(): void {
    throw guestProtocolError('CREDIT for a file being read');
  }

  protected fail(error: Error): void {
    this.#queue.fail(error);
  }

  #grant(length: number): void {
    const position = this.#window.consume(length);
    if (position === null) return;
    this.context.link.sendCredit({ channel: this.channel, stream: streams.stdout, position });
  }

  async #next(): Promise<Bytes | null> {
    const event = await watched(
      this.context.clock,
      (error) => this.fail(error),
      () => this.#queue.next(),
    );
    return event?.kind === 'output' ? event.bytes : null;
  }
}

/** @throws KelpieError `file_not_found`, `guest_failed` … The bytes must be read to their end or left by `return()`. */
export async function readGuestFile(
  context: TransferContext,
  channel: number,
  path: string,
): Promise<{ readonly info: GuestFileInfo; readonly bytes: AsyncIterable<Bytes> }> {
  const opened = await context.rpc.call({
    method: 'file.read',
    params: { channel, path, limit: TRANSFER_WINDOW_BYTES },
    accept: (result) => {
      const facts = parseFileRead(result);
      return { facts, reader: new FileReader(context, channel) };
    },
    onLate: ({ reader }) => void reader.abort(),
  });
  return { info: { type: 'file', ...opened.facts }, bytes: opened.reader.bytes };
}
