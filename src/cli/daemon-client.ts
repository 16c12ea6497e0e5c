/** The CLI's side of the daemon's API. Untyped bytes stop here: every answer is parsed by the route's schema. */
import { concat, fromUtf8, utf8 } from '../base/bytes.ts';
import { assert } from '../base/assert.ts';
import { KelpieError } from '../base/errors.ts';
import { decodeEvents } from '../daemon/api/events.ts';
import { decodeExecFrames, EXEC_CONTENT_TYPE } from '../daemon/api/exec-frames.ts';
import { RESPONSE_JSON_BYTES_MAX } from '../daemon/api/limits.ts';
import { fromProblem, problem } from '../daemon/api/problem.ts';
import { routePath, routes } from '../daemon/api/routes.ts';
import { API_VERSION, API_VERSION_HEADER } from '../daemon/api/system.ts';
import { isSystemError } from '../env/system-error.ts';
import type { Bytes } from '../base/bytes.ts';
import type { ExecFrame } from '../daemon/api/exec-frames.ts';
import type { Progress as ApiProgress } from '../daemon/api/events.ts';
import type { Route, RouteName, Routes } from '../daemon/api/routes.ts';
import type { Env } from '../env/env.ts';
import type { HttpResponse } from '../env/http.ts';

type ResultOf<R> = R extends Route<infer Result, infer _Body, infer _Query> ? Result : never;
type BodyOf<R> = R extends Route<infer _Result, infer Body, infer _Query> ? Body : never;

export interface CallOptions<Body = unknown> {
  readonly parameters?: Readonly<Record<string, string | number>>;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly body?: Partial<Body>;
  readonly signal?: AbortSignal;
}

export interface OperationListener {
  readonly onProgress: (progress: ApiProgress) => Promise<void>;
  readonly onNotice: (text: string) => Promise<void>;
}

export class DaemonClient {
  readonly #env: Env;
  readonly #socketPath: string;

  constructor(env: Env, socketPath: string) {
    this.#env = env;
    this.#socketPath = socketPath;
  }

  /** A question with one answer. @throws KelpieError as the daemon tells it. */
  async call<N extends RouteName>(name: N, options: CallOptions<BodyOf<Routes[N]>> = {}): Promise<ResultOf<Routes[N]>> {
    const response = await this.#send(name, options, jsonBody(options.body));
    return parseResult(name, JSON.parse(fromUtf8(await readAll(response.body))));
  }

  /** A long operation: progress and notices as they come, then the result. */
  async operate<N extends RouteName>(
    name: N,
    options: CallOptions<BodyOf<Routes[N]>>,
    listener: OperationListener,
  ): Promise<ResultOf<Routes[N]>> {
    const response = await this.#send(name, options, jsonBody(options.body));
    for await (const event of decodeEvents(response.body)) {
      if (event.event === 'progress') await listener.onProgress(event);
      else if (event.event === 'notice') await listener.onNotice(event.text);
      else if (event.event === 'error') throw fromProblem(event.problem);
      else return parseResult(name, event.result);
    }
    throw new KelpieError('daemon_unavailable', 'the daemon ended before the operation did; `kelpie ps` tells what became of it.');
  }

  /** An attached session: frames both ways at once. */
  async attach(vm: string, frames: AsyncIterable<Bytes>, signal?: AbortSignal): Promise<AsyncIterable<ExecFrame>> {
    const options = { parameters: { vm }, ...(signal === undefined ? {} : { signal }) };
    const response = await this.#send('attach', options, { bytes: frames, type: EXEC_CONTENT_TYPE });
    return decodeExecFrames(response.body);
  }

  /** Raw bytes from the daemon, with the answer's headers. */
  async download<N extends RouteName>(name: N, options: CallOptions<BodyOf<Routes[N]>>): Promise<HttpResponse> {
    return this.#send(name, options, null);
  }

  /** Raw bytes to the daemon. */
  async upload<N extends RouteName>(
    name: N,
    options: CallOptions<BodyOf<Routes[N]>>,
    bytes: AsyncIterable<Bytes>,
  ): Promise<ResultOf<Routes[N]>> {
    const response = await this.#send(name, options, { bytes, type: 'application/octet-stream' });
    return parseResult(name, JSON.parse(fromUtf8(await readAll(response.body))));
  }

  async #send(name: RouteName, options: CallOptions, body: RequestBody | null): Promise<HttpResponse> {
    const response = await this.#request(name, options, body);
    if (response.status < 300) return response;
    const text = fromUtf8(await readAll(response.body));
    const told = problem.safeParse(parseJson(text));
    if (told.success) throw fromProblem(told.data);
    throw new KelpieError('daemon_unavailable', `the daemon answered ${response.status} without saying why; see kelpied.log.`);
  }

  async #request(name: RouteName, options: CallOptions, body: RequestBody | null): Promise<HttpResponse> {
    try {
      return await this.#env.http.request({
        target: { address: { kind: 'unix', path: this.#socketPath } },
        method: routes[name].method,
        path: routePath(name, options.parameters, options.query),
        headers: { [API_VERSION_HEADER]: String(API_VERSION), ...(body === null ? {} : { 'content-type': body.type }) },
        ...(body === null ? {} : { body: body.bytes }),
        ...(options.signal === undefined ? {} : { signal: options.signal }),
      });
    } catch (error) {
      if (!isSystemError(error)) throw error;
      throw new KelpieError('daemon_unavailable', `the daemon does not answer at ${this.#socketPath} (${error.errno}).`, { cause: error });
    }
  }
}

interface RequestBody {
  readonly bytes: Bytes | AsyncIterable<Bytes>;
  readonly type: string;
}

function jsonBody(body: unknown): RequestBody | null {
  return body === undefined ? null : { bytes: utf8(JSON.stringify(body)), type: 'application/json' };
}

function parseResult<N extends RouteName>(name: N, value: unknown): ResultOf<Routes[N]> {
  const route: Route<ResultOf<Routes[N]>> = routes[name];
  assert(route.result !== undefined, `route ${name} has no result`);
  const parsed = route.result.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new KelpieError('daemon_version_mismatch', 'the daemon answers in a form that this version does not know: `kelpie daemon restart`.', {
    cause: parsed.error,
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

async function readAll(body: AsyncIterable<Bytes>): Promise<Bytes> {
  const parts: Bytes[] = [];
  let length = 0;
  for await (const part of body) {
    length += part.byteLength;
    if (length > RESPONSE_JSON_BYTES_MAX) throw new KelpieError('limit_exceeded', 'the daemon’s answer is larger than this program reads.');
    parts.push(part);
  }
  return concat(parts);
}
