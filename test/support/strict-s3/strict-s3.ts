/**
 * A fake S3 service in this process: strict about what it is asked (every signature and digest is checked), with faults on order. It
 * keeps objects in memory and knows one bucket. It runs the same suite as Ceph, so that it stays honest.
 */
import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Bucket } from '../../../src/sim/s3/bucket.ts';
import { refusal } from '../../../src/sim/s3/wire.ts';
import type { Answer, ReceivedRequest } from '../../../src/sim/s3/wire.ts';
import { Faults } from './faults.ts';
import type { Fault } from './faults.ts';
import type { S3Server } from './s3-server.ts';
import { signatureFault } from './signature.ts';

const BUCKET = 'kelpie';
const TEST_KEY = 'kelpie-test';

/** The keys that the test services accept, as the variables that the client reads; and nobody's own settings. */
export const testKeys: Readonly<Record<string, string>> = {
  AWS_ACCESS_KEY_ID: TEST_KEY,
  AWS_SECRET_ACCESS_KEY: TEST_KEY,
  AWS_CONFIG_FILE: '/nowhere/config',
  AWS_EC2_METADATA_DISABLED: 'true',
  AWS_SHARED_CREDENTIALS_FILE: '/nowhere/credentials',
};

export class StrictS3 implements S3Server {
  readonly url: string = `s3://${BUCKET}`;
  readonly faults: Faults = new Faults();
  readonly bucket: Bucket = new Bucket({
    sha256: (bytes) => createHash('sha256').update(bytes).digest('hex'),
    wallMs: () => Date.now(),
    newId: () => randomUUID(),
  });
  /** Every request that came, as `METHOD url`. */
  readonly requests: string[] = [];
  /** The headers of the last request. */
  lastHeaders: Readonly<Record<string, string>> = {};
  region = 'us-east-1';
  /** Session tokens that have expired. */
  readonly expiredTokens: Set<string> = new Set();
  readonly #server = createServer((request, response) => void this.#serve(request, response));
  readonly #late: { readonly request: ReceivedRequest; dueAt: number }[] = [];

  static async start(): Promise<StrictS3> {
    const server = new StrictS3();
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    return server;
  }

  get endpoint(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the strict server does not listen');
    return `http://127.0.0.1:${address.port}`;
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const request = await receive(incoming);
    if (request === null) return;
    this.requests.push(`${request.method} ${request.url}`);
    this.lastHeaders = request.headers;
    this.#applyLate();
    const fault = this.faults.next(request.method, request.url);
    if (fault?.kind === 'silence') return;
    const isRefused = fault?.kind === 'refuse';
    const answer = isRefused
      ? refusal(fault.status, fault.code)
      : this.#answer(request, fault?.kind === 'stale-list');
    if (fault?.kind === 'late-copy')
      this.#late.push({ request, dueAt: this.requests.length + fault.afterRequests });
    send(response, request, answer, fault);
  }

  /** What was sent long ago and lay on the way. */
  #applyLate(): void {
    for (const late of [...this.#late]) {
      if (this.requests.length < late.dueAt) continue;
      this.#late.splice(this.#late.indexOf(late), 1);
      this.#answer(late.request, false);
    }
  }

  #answer(request: ReceivedRequest, isStale: boolean): Answer {
    const { headers, method } = request;
    if (method === 'PUT' && headers['content-length'] === undefined)
      return refusal(411, 'MissingContentLength');
    if (headers['content-encoding']?.includes('aws-chunked') === true)
      return refusal(411, 'MissingContentLength');
    if (this.expiredTokens.has(headers['x-amz-security-token'] ?? '')) return refusal(400, 'ExpiredToken');
    const keys = { accessKeyId: TEST_KEY, secretAccessKey: TEST_KEY };
    const fault = signatureFault(request, keys, this.region);
    if (fault !== null) return refusal(fault.status, fault.code, `<Region>${this.region}</Region>`);
    const { pathname, searchParams } = new URL(request.url, this.endpoint);
    const [bucket = '', ...key] = decodeURIComponent(pathname).slice(1).split('/');
    if (bucket !== BUCKET) return refusal(404, 'NoSuchBucket');
    return this.bucket.answer(request, key.join('/'), searchParams, isStale);
  }
}

/** Null when the client went away first. */
async function receive(incoming: IncomingMessage): Promise<ReceivedRequest | null> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
  } catch {
    return null;
  }
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(incoming.headers)) headers[name] = String(value);
  return {
    method: incoming.method ?? '',
    url: incoming.url ?? '',
    headers,
    body: new Uint8Array(Buffer.concat(chunks)),
  };
}

function send(
  response: ServerResponse,
  { method }: ReceivedRequest,
  answer: Answer,
  fault: Fault | null,
): void {
  const body = Buffer.from(answer.body);
  const whole = { 'content-length': String(body.byteLength), ...answer.headers };
  const write = (told: Answer): void => {
    const bytes = Buffer.from(told.body);
    response
      .writeHead(told.status, { ...told.headers, 'content-length': String(bytes.byteLength) })
      .end(method === 'HEAD' ? '' : bytes);
  };
  switch (fault?.kind) {
    case 'refuse-after':
      write(refusal(fault.status, fault.code));
      return;
    case 'lose-answer':
    case 'late-copy':
      response.socket?.destroy();
      return;
    case 'cut-body':
      response.writeHead(answer.status, whole);
      response.write(body.subarray(0, body.byteLength / 2), () => response.socket?.destroy());
      return;
    case 'short-body':
      write({ ...answer, body: body.subarray(0, body.byteLength / 2) });
      return;
    case 'error-in-200':
      write({ ...refusal(500, 'InternalError'), status: 200 });
      return;
    case 'damage':
      write({ ...answer, body: body.map((byte) => byte ^ 1) });
      return;
    default:
      write(answer);
  }
}
