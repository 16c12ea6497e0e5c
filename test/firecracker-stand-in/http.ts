/** The server of the interface: HTTP/1.1 on a Unix socket, one request after the other, as Firecracker's. */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { HttpAnswer, HttpRequest } from '../../src/sim/firecracker/handlers.ts';
import type { FaultRule } from './fault-rules.ts';
import type { Faults } from './faults.ts';

export interface HttpOptions {
  readonly payloadBytesMax: number;
  readonly faults: Faults;
  readonly handle: (request: HttpRequest) => Promise<HttpAnswer>;
  /** Called when an answer is on its way. */
  readonly onAnswered: () => void;
  /** Ends this process at once. */
  readonly kill: () => void;
}

const GARBAGE = 'HTTP/1.1 2x4 \u0000\r\n{"fault_mess';

/** @throws Error of the system: `EADDRINUSE`, `EINVAL` when the path is too long for a socket … */
export async function serveHttp(socketPath: string, options: HttpOptions): Promise<Server> {
  let queue: Promise<void> = Promise.resolve();
  const server = createServer({ keepAliveTimeout: 0 }, (request, response) => {
    const answered = queue.then(() => answer(request, response, options));
    // Firecracker's server has one thread: a request that hangs holds up all later ones.
    queue = answered.catch((error: unknown) => {
      console.error(error);
      response.destroy();
    });
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen(socketPath, resolve);
  await promise;
  return server;
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  options: HttpOptions,
): Promise<void> {
  const method = request.method ?? '';
  const path = decodeURI((request.url ?? '/').split('?')[0] ?? '/');
  const faults = await options.faults.take(`${method} ${path}`);
  const body = await readBody(request, options.payloadBytesMax);
  if (typeof body === 'number') {
    const error = `Request payload with size ${body} is larger than the limit of ${options.payloadBytesMax} allowed by server.`;
    send(
      response,
      413,
      JSON.stringify({ error: `${error}\nAll previous unanswered requests will be dropped.` }),
    );
    return;
  }
  const before = await faults.meet('before', options.kill);
  if (before !== null) return await obey(response, before, '');
  const { status, json, isDeprecated } = await options.handle({ method, path, body });
  const content = json === null ? '' : JSON.stringify(json);
  const after = await faults.meet('after', options.kill);
  if (after !== null) return await obey(response, after, content);
  if (isDeprecated) response.setHeader('Deprecation', 'true');
  send(response, status, content, options.onAnswered);
}

/** @returns the text, null when there is none, or its length when it is more than allowed. */
async function readBody(request: IncomingMessage, bytesMax: number): Promise<string | null | number> {
  const declared = Number(request.headers['content-length'] ?? 0);
  if (declared > bytesMax) {
    request.resume();
    return declared;
  }
  const chunks: Buffer[] = [];
  for await (const chunk of request) if (chunk instanceof Buffer) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  return body.byteLength === 0 ? null : body.toString('utf8');
}

function send(response: ServerResponse, status: number, content: string, done?: () => void): void {
  response.statusCode = status;
  response.setHeader('Server', 'Firecracker API');
  response.setHeader('Connection', 'keep-alive');
  response.removeHeader('Date');
  response.sendDate = false;
  if (content !== '') {
    response.setHeader('Content-Type', 'application/json');
    response.setHeader('Content-Length', Buffer.byteLength(content));
  }
  response.end(content, done);
}

/** Does to a connection what a rule says. */
async function obey(response: ServerResponse, rule: FaultRule, content: string): Promise<void> {
  const { socket } = response;
  switch (rule.do) {
    case 'refuse':
      send(response, rule.status, JSON.stringify({ fault_message: rule.message }));
      return;
    case 'garbage':
      socket?.end(GARBAGE);
      return;
    case 'cut':
      socket?.end(`HTTP/1.1 200 OK\r\nContent-Length: ${content.length + 20}\r\n\r\n${content}`);
      return;
    case 'drop':
      socket?.destroy();
      return;
    case 'hang':
      return await new Promise(() => {});
    case 'delay':
    case 'die':
      throw new Error(`${rule.do} is no way to answer`);
  }
}
