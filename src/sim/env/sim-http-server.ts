import type { Bytes } from '../../base/bytes.ts';
import { SECOND_MS } from '../../base/units.ts';
import type { Clock } from '../../env/clock.ts';
import type { Connection, Listener, SocketAddress, Sockets } from '../../env/sockets.ts';
import { FrameReader, FrameWriter, headFrame, headOf } from './http-frames.ts';
import type { Frame, Head } from './http-frames.ts';

const CLOSE_WAIT_MS: number = 5 * SECOND_MS;
const QUEUED_FRAMES_MAX = 4;

type Handler = (request: Request) => Promise<Response>;

export async function serveHttp(
  parts: { readonly sockets: Sockets; readonly clock: Clock },
  address: SocketAddress,
  handler: Handler,
): Promise<Listener> {
  const underWay = new Set<Promise<void>>();
  const listener = await parts.sockets.listen(address, (connection) => {
    const exchange = new ServerExchange(connection, handler).run();
    underWay.add(exchange);
    void exchange.finally(() => underWay.delete(exchange));
  });
  return {
    address: listener.address,
    close: async () => {
      await listener.close();
      await Promise.race([Promise.allSettled(underWay), parts.clock.sleep(CLOSE_WAIT_MS)]);
    },
  };
}

/** One request and its answer. */
class ServerExchange {
  readonly #connection: Connection;
  readonly #handler: Handler;
  readonly #gone = new AbortController();
  /** Of the request's body: read ahead of the handler, so that a client that goes is noticed. */
  readonly #queue: (Frame | null)[] = [];
  #wakeReader: (() => void) | null = null;
  #wakeHandler: (() => void) | null = null;
  #isAnswered = false;

  constructor(connection: Connection, handler: Handler) {
    this.#connection = connection;
    this.#handler = handler;
  }

  async run(): Promise<void> {
    try {
      const frames = new FrameReader(this.#connection);
      const first = await frames.next();
      if (first?.kind !== 'head') return;
      void this.#readBody(frames);
      await this.#answer(await this.#respond(headOf(first)));
    } catch {
      // The client is gone: nobody is left to be told.
    } finally {
      this.#isAnswered = true;
      this.#connection.close();
    }
  }

  async #respond({ line, headers }: Head): Promise<Response> {
    const [method = '', path = ''] = line.split(' ');
    const hasBody = method !== 'GET' && method !== 'HEAD';
    try {
      const body = hasBody ? { body: this.#bodyStream(), duplex: 'half' as const } : {};
      const request = new Request(`http://localhost${path}`, { method, headers, ...body });
      // A request that is given a signal makes another that follows it, with a finalizer: a tenth of the exchange.
      Object.defineProperty(request, 'signal', { value: this.#gone.signal });
      return await this.#handler(request);
    } catch {
      return new Response(null, { status: 500 });
    }
  }

  async #answer(response: Response): Promise<void> {
    const reader = response.body?.getReader();
    const stop = (): void => void reader?.cancel().catch(() => undefined);
    this.#gone.signal.addEventListener('abort', stop);
    if (this.#gone.signal.aborted) stop();
    try {
      const writer = new FrameWriter(this.#connection);
      const head = writer.send(headFrame({ line: `${response.status}`, headers: joined(response.headers) }));
      await Promise.all([head, writer.sendBody(partsOf(reader))]);
    } catch (error) {
      stop();
      throw error;
    }
  }

  #bodyStream(): ReadableStream<Bytes> {
    return new ReadableStream<Bytes>(
      {
        pull: async (controller) => {
          while (this.#queue.length === 0) {
            const { promise, resolve } = Promise.withResolvers<void>();
            this.#wakeHandler = resolve;
            await promise;
          }
          const frame = this.#queue.shift();
          this.#wakeReader?.();
          if (frame === null || frame === undefined) controller.error(new Error('the client went away'));
          else if (frame.kind === 'end') controller.close();
          else controller.enqueue(frame.payload);
        },
      },
      { highWaterMark: 0 },
    );
  }

  async #readBody(frames: FrameReader): Promise<void> {
    for (;;) {
      while (this.#queue.length >= QUEUED_FRAMES_MAX) {
        const { promise, resolve } = Promise.withResolvers<void>();
        this.#wakeReader = resolve;
        await promise;
      }
      const frame = await frames.next().catch(() => null);
      if (this.#isAnswered) return;
      this.#queue.push(frame);
      this.#wakeHandler?.();
      if (frame !== null) continue;
      this.#gone.abort(new Error('the client went away'));
      return;
    }
  }
}

async function* partsOf(reader: ReadableStreamDefaultReader<Bytes> | undefined): AsyncGenerator<Bytes, void> {
  if (reader === undefined) return;
  for (let part = await reader.read(); !part.done; part = await reader.read()) yield part.value;
}

function joined(headers: Headers): Readonly<Record<string, string>> {
  const all: Record<string, string> = {};
  for (const [name, value] of headers) all[name] = all[name] === undefined ? value : `${all[name]}, ${value}`;
  return all;
}
