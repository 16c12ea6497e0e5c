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
  /**
   * The body, instead of by `body`, into the start of an array: for large ones, whose chunks need not be left to the collector then.
   * @returns its length; null when it is longer than the array, and the connection was dropped. @throws as reading `body` does.
   */
  readInto(into: Bytes): Promise<number | null>;
}

export interface Http {
  /**
   * One request, no retries, no redirects, no time-out of its own. At most 64 connections to one TCP address are open;
   * further requests wait. An answer that has ended ends the request's body too, which then gets `return()`.
   * @throws SystemError (`EPROTO` when the other side breaks HTTP or TLS), the signal's reason, or what `body` throws.
   */
  request(request: HttpRequest): Promise<HttpResponse>;
  /**
   * Serves until closed. The request's `signal` is aborted when the client goes away; request and response bodies
   * flow at the same time, each as fast as its reader takes it. A handler that throws is answered by 500 without
   * details. Headers are bounded to 16 KiB and must come within 10 s; bodies are the handler's to bound. Unix sockets get
   * mode 0o600. `close` drops idle connections at once and waits up to 5 s for those with a request under way.
   */
  serve(address: SocketAddress, handler: (request: Request) => Promise<Response>): Promise<Listener>;
}
