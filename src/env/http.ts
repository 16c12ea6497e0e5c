import type { Bytes } from '../base/bytes.ts';
import type { Listener, SocketAddress } from './sockets.ts';

/** Where a request goes: an address for the connection, and the scheme spoken over it. */
export interface HttpTarget {
  readonly address: SocketAddress;
  readonly tls?: boolean;
}

export interface HttpRequest {
  readonly target: HttpTarget;
  readonly method: string;
  /** Path and query, already encoded. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Streamed as the connection takes it. The answer may begin before it ends. */
  readonly body?: Bytes | AsyncIterable<Bytes>;
  readonly signal?: AbortSignal;
}

export interface HttpResponse {
  readonly status: number;
  /** Names in lower case; repeated ones joined by `, `. */
  readonly headers: Readonly<Record<string, string>>;
  /** Must be consumed or ended by `return()`, which drops the connection. */
  readonly body: AsyncIterable<Bytes>;
}

export interface Http {
  /** One request, no retries, no redirects, no time-out of its own. @throws SystemError, or the signal's reason. */
  request(request: HttpRequest): Promise<HttpResponse>;
  /**
   * Serves until closed. The request's `signal` is aborted when the client goes away; request and response bodies
   * flow at the same time. Unix sockets get mode 0o600.
   */
  serve(address: SocketAddress, handler: (request: Request) => Promise<Response>): Promise<Listener>;
}
