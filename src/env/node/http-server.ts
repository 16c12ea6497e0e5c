/**
 * Serves web-standard requests over node:http.
 *
 *   client ── headers, body ──▶ Request ──▶ handler ──▶ Response ── headers, body ──▶ client
 *
 * Both bodies are pulled, never pushed, and flow at the same time. When the client goes away, the request's signal is
 * aborted, its body fails and the response's body is cancelled.
 */
import { Server } from 'node:http';
import { asError } from '../../base/errors.ts';
import { SECOND_MS } from '../../base/units.ts';
import { toWebRequest } from './http-server-request.ts';
import { sendWebResponse } from './http-server-response.ts';
import { listenPrivately } from './socket-address.ts';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Listener, SocketAddress } from '../sockets.ts';

type Handler = (request: Request) => Promise<Response>;

const HEADER_BYTES_MAX: number = 16 * 1024;
const HEADERS_TIMEOUT_MS: number = 10 * SECOND_MS;
const KEEP_ALIVE_MS: number = 5 * SECOND_MS;
/** How long `close` waits for requests under way before it drops them. */
const CLOSE_WAIT_MS: number = 5 * SECOND_MS;
/** How long a client may go on sending a body that the handler did not read, after the whole answer was sent. */
const LINGER_MS: number = 2 * SECOND_MS;

/** Node's server with an exact notion of idle: Node's own would cut an answer that has ended but is still on its way. */
class ExchangeServer extends Server {
  private readonly idle: Set<Socket> = new Set();
  private readonly handler: Handler;
  private closing: Promise<void> | null = null;

  constructor(handler: Handler) {
    super({
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: HEADERS_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      // A body may last as long as the command that it feeds.
      requestTimeout: 0,
    });
    this.handler = handler;
    this.on('connection', (socket: Socket) => {
      this.idle.add(socket);
      socket.once('close', () => this.idle.delete(socket));
    });
    this.on('request', (incoming, outgoing) => {
      this.exchange(incoming, outgoing).catch((error: unknown) => {
        report(error);
        outgoing.destroy();
      });
    });
  }

  private async exchange(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const { socket } = incoming;
    this.idle.delete(socket);
    const response = await respond(incoming, outgoing, this.handler);
    // Node closes a connection that its client will not use again with the answer's last byte, although a part of the request is
    // still to come; that resets it, and the client may lose the answer. So we close it, once nothing more comes. An ending server
    // does at once, else the client would keep the connection for a request that is about to be dropped.
    const isLast = !outgoing.shouldKeepAlive;
    outgoing.setHeader('connection', this.closing === null ? 'keep-alive' : 'close');
    await sendWebResponse(response, outgoing);
    if (incoming.complete && isLast) socket.destroySoon();
    if (!incoming.complete) linger(incoming);
    if (socket.destroyed) return;
    this.idle.add(socket);
    if (this.closing !== null) this.closeIdleConnections();
  }

  override closeIdleConnections(): void {
    for (const socket of this.idle) socket.destroySoon();
  }

  async closeBounded(waitMs: number): Promise<void> {
    this.closing ??= this.closeWithin(waitMs);
    await this.closing;
  }

  private async closeWithin(waitMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.close(() => resolve());
    const timer = setTimeout(() => this.closeAllConnections(), waitMs);
    await promise;
    clearTimeout(timer);
  }
}

export async function serveHttp(
  address: SocketAddress,
  handler: Handler,
  closeWaitMs: number = CLOSE_WAIT_MS,
): Promise<Listener> {
  const server = new ExchangeServer(handler);
  const bound = await listenPrivately(server, address);
  return { address: bound, close: async () => await server.closeBounded(closeWaitMs) };
}

/** A handler's failure is for our log, not for the client. */
async function respond(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  handler: Handler,
): Promise<Response> {
  const gone = new AbortController();
  outgoing.once('close', () => {
    if (!outgoing.writableFinished) gone.abort();
  });
  const request = toWebRequest(incoming, gone.signal);
  if (request === null) return new Response(null, { status: 400 });
  try {
    return await handler(request);
  } catch (error) {
    // What a handler throws because its client left is no news.
    if (!gone.signal.aborted) report(error);
    return new Response(null, { status: 500 });
  }
}

/** Closing at once would reset the connection, and the client could lose the answer that is on its way. */
function linger(incoming: IncomingMessage): void {
  const timer = setTimeout(() => incoming.destroy(), LINGER_MS);
  incoming.once('close', () => clearTimeout(timer));
  incoming.removeAllListeners('readable');
  incoming.resume();
}

/** The server has no caller to throw to; a warning goes to standard error. */
function report(error: unknown): void {
  process.emitWarning(asError(error));
}
