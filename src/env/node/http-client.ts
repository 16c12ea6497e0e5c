import { connect } from 'node:net';
import { http } from './late-modules.ts';
import { readInto } from '../read-into.ts';
import { toSystemError } from './system-errors.ts';
import { bytesOf } from './pull-reader.ts';
import { describeAddress, nodeAddress } from './socket-address.ts';
import { pumpRequestBody } from './http-request-body.ts';
import type { ClientRequest, IncomingHttpHeaders, IncomingMessage, RequestOptions } from 'node:http';
import type { Bytes } from '../../base/bytes.ts';
import type { HttpRequest, HttpResponse } from '../http.ts';

/** Connections to one host and port; more requests wait in line. */
const TCP_CONNECTIONS_MAX = 64;
const TCP_IDLE_CONNECTIONS_MAX = 16;
const HEADER_BYTES_MAX: number = 64 * 1024;

const pool = { keepAlive: true, maxSockets: TCP_CONNECTIONS_MAX, maxFreeSockets: TCP_IDLE_CONNECTIONS_MAX };
const plainAgent = new (http().Agent)(pool);

/** Starts a request, unsent. */
type Open = (options: RequestOptions) => ClientRequest;

let openTls: Open | null = null;

/** TLS is loaded with the first request that needs it: the command line, which talks to a Unix socket, starts 10 ms sooner. */
async function loadTls(): Promise<Open> {
  if (openTls === null) {
    const https = await import('node:https');
    const agent = new https.Agent(pool);
    openTls ??= (options) => https.request({ ...options, agent });
  }
  return openTls;
}

async function openerOf(request: HttpRequest): Promise<Open> {
  if (request.target.tls === true) return await loadTls();
  const { address } = request.target;
  if (address.kind === 'tcp') return (options) => http().request({ ...options, agent: plainAgent });
  // A Unix socket costs nothing to connect to, and a kept one may be closed by a restarted server just as it is used. Without
  // an agent Node need not find out whether the socket's path is an IP address, which takes it 4 ms the first time.
  return (options) => http().request({ ...options, createConnection: () => connect(address.path) });
}

/**
 * One exchange. Whatever ends it early (the signal, the connection, the caller's own body) is kept as `failure`, so
 * that both the waiting caller and the reader of the response learn the first cause and not its echo.
 */
class Exchange {
  private readonly request: ClientRequest;
  private readonly subject: string;
  private failure: Error | null = null;

  constructor(request: HttpRequest, open: Open) {
    this.subject = `${request.method} ${describeAddress(request.target.address)}`;
    this.request = open(requestOptions(request));
    const onAbort = (): void => this.fail(request.signal?.reason);
    request.signal?.addEventListener('abort', onAbort, { once: true });
    this.request.once('socket', (socket) => {
      // Node's parser listens before us, and has copied what it gives out of a body.
      socket.on('data', drop);
      this.request.once('close', () => socket.off('data', drop));
    });
    this.request.once('close', () => request.signal?.removeEventListener('abort', onAbort));
  }

  async run(body: Bytes | AsyncIterable<Bytes> | undefined): Promise<HttpResponse> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    this.request.once('response', resolve);
    this.request.on('error', (error) => reject(this.told(error)));
    if (body === undefined || body instanceof Uint8Array) this.request.end(body);
    else pumpRequestBody(body, this.request).catch((error: unknown) => this.fail(error));
    return this.respond(await promise);
  }

  private respond(message: IncomingMessage): HttpResponse {
    // An answer that has ended ends the exchange, even one that did not want to hear the whole request.
    message.once('end', () => {
      if (!this.request.writableFinished) this.request.destroy();
    });
    const body = this.bodyOf(message);
    return {
      status: message.statusCode ?? 0,
      headers: joinedHeaders(message.headers),
      body,
      readInto: async (into) => await readInto(body, into, drop),
    };
  }

  private bodyOf(message: IncomingMessage): AsyncIterableIterator<Bytes> {
    const bytes = bytesOf(message, this.subject);
    return {
      [Symbol.asyncIterator]() {
        return this;
      },
      next: async () => {
        try {
          const result = await bytes.next();
          if (this.failure === null) return result;
        } catch (error) {
          throw this.told(error);
        }
        throw this.failure;
      },
      return: async () => {
        this.request.destroy();
        return { done: true, value: undefined };
      },
    };
  }

  private fail(cause: unknown): void {
    this.failure ??= toSystemError(cause, 'request', this.subject);
    this.request.destroy(this.failure);
  }

  private told(error: unknown): Error {
    return this.failure ?? toSystemError(error, 'request', this.subject);
  }
}

function requestOptions(request: HttpRequest): RequestOptions {
  const where = nodeAddress(request.target.address, 'connect');
  return {
    ...('path' in where ? { socketPath: where.path } : where),
    method: request.method,
    path: request.path,
    headers: request.headers,
    maxHeaderSize: HEADER_BYTES_MAX,
  };
}

/**
 * Gives the memory of a chunk back that was used, if nothing else is in its buffer. Left to the collector, those of a hundred megabytes make it collect
 * the whole heap eight times: a third of the processor time of a restore over S3 (docs/BENCHMARKS.md).
 */
function drop({ buffer, byteLength }: Bytes): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0);
}

function joinedHeaders(headers: IncomingHttpHeaders): Record<string, string> {
  const joined: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) joined[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return joined;
}

export async function sendRequest(request: HttpRequest): Promise<HttpResponse> {
  request.signal?.throwIfAborted();
  const open = await openerOf(request);
  return await new Exchange(request, open).run(request.body);
}
