import type { Bytes } from '../../base/bytes.ts';
import type { HttpRequest, HttpResponse } from '../../env/http.ts';
import { readInto } from '../../env/read-into.ts';
import type { Connection, Sockets } from '../../env/sockets.ts';
import { SystemError } from '../../env/system-error.ts';
import type { Faults } from '../faults.ts';
import type { SimProcess } from '../process.ts';
import { serverOf } from './sim-sockets.ts';
import { bodyFrames, FrameReader, FrameWriter, headFrame, headOf } from './http-frames.ts';
import type { Head } from './http-frames.ts';

interface ResponseHead {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
}

const NO_BYTES: Bytes = new Uint8Array(0);

/** One request on a connection of its own. */
export async function sendRequest(
  sockets: Sockets,
  process: SimProcess,
  request: HttpRequest,
): Promise<HttpResponse> {
  const { signal } = request;
  signal?.throwIfAborted();
  const crash = isRecord(process, request)
    ? process.machine.faults.hit('crash_at_record', process.label)
    : null;
  const isCrashBefore = crash?.random.chance(0.5) === true;
  const connection = await sockets.connect(request.target.address, signal);
  const exchange = new ClientExchange(connection, process, request).begin();
  if (isCrashBefore) process.machine.kill(process);
  const answer = await exchange;
  if (crash !== null) process.machine.kill(process);
  tellAnswer(process, request, answer.status);
  return answer;
}

/** One that says who may run a VM, on its way to a service: a daemon that dies then has sent it or not, or does not hear that it was taken. */
function isRecord({ label }: SimProcess, { method, path }: HttpRequest): boolean {
  return method === 'PUT' && path.includes('/ownership/') && label.startsWith('kelpied');
}

/** For traces: what was asked, and what was said. */
function tellAnswer(process: SimProcess, { method, path, target }: HttpRequest, status: number): void {
  const { label, machine } = process;
  const to = serverOf(machine, target.address);
  machine.tell({ kind: 'message', text: `${method} ${path} → ${status}`, lane: label, to });
}

class ClientExchange {
  readonly #connection: Connection;
  readonly #faults: Faults;
  readonly #who: string;
  readonly #request: HttpRequest;
  readonly #frames: FrameReader;
  /** Rejects when the signal is aborted or the request's body fails; never resolves. */
  readonly #failure: PromiseWithResolvers<never> = Promise.withResolvers<never>();
  #bodyIterator: AsyncIterator<Bytes> | null = null;
  #isOver = false;

  constructor(connection: Connection, { label, machine }: SimProcess, request: HttpRequest) {
    this.#connection = connection;
    this.#faults = machine.faults;
    this.#who = label;
    this.#request = request;
    this.#frames = new FrameReader(connection);
    this.#failure.promise.catch(() => undefined);
  }

  async begin(): Promise<HttpResponse> {
    const { method, path, headers, signal } = this.#request;
    signal?.addEventListener('abort', this.#onAbort);
    try {
      const head = await this.#orFailure(this.#exchangeHeads({ line: `${method} ${path}`, headers }));
      const body = this.#body();
      return { ...head, body, readInto: async (into) => await readInto(body, into) };
    } catch (error) {
      this.#end();
      throw error;
    }
  }

  async #exchangeHeads(head: Head): Promise<ResponseHead> {
    await this.#send(headFrame(head));
    const frame = await this.#next();
    if (frame?.kind !== 'head')
      throw new SystemError(frame === null ? 'ECONNRESET' : 'EPROTO', 'request', 'http');
    const { line, headers } = headOf(frame);
    return { status: Number(line), headers };
  }

  async *#body(): AsyncGenerator<Bytes, void> {
    try {
      for (;;) {
        const frame = await this.#orFailure(this.#next());
        if (frame === null) throw new SystemError('ECONNRESET', 'read', 'http');
        if (frame.kind === 'end') return;
        yield frame.payload;
      }
    } finally {
      this.#end();
    }
  }

  async #next(): ReturnType<FrameReader['next']> {
    if (this.#faults.hit('http_connection_lost', this.#who) !== null) {
      this.#connection.close();
      throw new SystemError('ECONNRESET', 'read', 'http');
    }
    return this.#frames.next();
  }

  /** Resolves when the head is on its way; a body that is streamed follows. */
  async #send(head: Bytes): Promise<void> {
    const { body = NO_BYTES } = this.#request;
    const writer = new FrameWriter(this.#connection);
    if (body instanceof Uint8Array) return writer.send(head, ...bodyFrames(body));
    await writer.send(head);
    void this.#stream(writer, body);
  }

  async #stream(writer: FrameWriter, body: AsyncIterable<Bytes>): Promise<void> {
    try {
      await writer.sendBody(this.#owned(body));
    } catch (error) {
      // A server that answers without reading the request closes it: the answer says what happened.
      if (!(error instanceof SystemError)) this.#failure.reject(error);
    }
  }

  /** The caller's body, which gets `return()` when the exchange is over. */
  async *#owned(body: AsyncIterable<Bytes>): AsyncGenerator<Bytes, void> {
    const iterator = body[Symbol.asyncIterator]();
    this.#bodyIterator = iterator;
    for (;;) {
      const next = await iterator.next();
      if (next.done === true) {
        this.#bodyIterator = null;
        return;
      }
      yield next.value;
    }
  }

  readonly #onAbort = (): void => {
    this.#failure.reject(this.#request.signal?.reason);
    this.#end();
  };

  #orFailure<T>(act: Promise<T>): Promise<T> {
    return Promise.race([this.#failure.promise, act]);
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#request.signal?.removeEventListener('abort', this.#onAbort);
    this.#connection.close();
    void this.#bodyIterator?.return?.();
  }
}
