/** The CLI's side of the daemon's API. Untyped bytes stop here: every answer is parsed by the route's schema. */
import { collectBytes, fromUtf8, utf8 } from '../base/bytes.ts';
import { assert } from '../base/assert.ts';
import { parseJsonOrNull } from '../base/json.ts';
import { loadOnce } from '../base/load-once.ts';
import { KelpieError } from '../base/errors.ts';
import { decodeEvents } from '../daemon/api/events.ts';
import { decodeExecFrames, EXEC_CONTENT_TYPE } from '../daemon/api/exec-frames.ts';
import { RESPONSE_JSON_BYTES_MAX } from '../daemon/api/limits.ts';
import { fromProblem, readProblem } from '../daemon/api/problem.ts';
import { pathOf, routes } from '../daemon/api/routes.ts';
import { API_VERSION, API_VERSION_HEADER } from '../daemon/api/version.ts';
import { isSystemError } from '../env/system-error.ts';
import type { z } from 'zod';
import type { Bytes } from '../base/bytes.ts';
import type { BlobDownload } from '../daemon/api/blob-frames.ts';
import type { BlobOpened } from '../daemon/api/blobs.ts';
import type { ExecFrame } from '../daemon/api/exec-frames.ts';
import type { Progress as ApiProgress } from '../daemon/api/events.ts';
import type { Route } from '../daemon/api/routes.ts';
import type { CommandEnv } from '../env/env.ts';
import type { HttpResponse } from '../env/http.ts';

/** What is needed to send to a route, whatever it takes and gives. */
type AnyRoute = Pick<Route, 'method' | 'path'>;

export interface CallOptions<Body = unknown> {
  readonly parameters?: Readonly<Record<string, string | number>>;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly body?: Partial<Body>;
  /** For a route whose body is raw. */
  readonly bytes?: AsyncIterable<Bytes>;
  readonly signal?: AbortSignal;
}

export interface OperationListener {
  readonly onProgress: (progress: ApiProgress) => Promise<void>;
  readonly onNotice: (text: string) => Promise<void>;
}

export class DaemonClient {
  readonly #env: CommandEnv;
  readonly #socketPath: string;

  constructor(env: CommandEnv, socketPath: string) {
    this.#env = env;
    this.#socketPath = socketPath;
  }

  /** A question with one answer. @throws KelpieError as the daemon tells it. */
  async call<Result, Body, Query>(
    route: Route<Result, Body, Query>,
    options: CallOptions<Body> = {},
  ): Promise<Result> {
    const response = await this.#send(route, options, jsonBody(options.body));
    const schema = await resultSchema(route);
    return parseResult(schema, JSON.parse(fromUtf8(await readAll(response.body))));
  }

  /** A long operation: progress and notices as they come, then the result. */
  async operate<Result, Body, Query>(
    route: Route<Result, Body, Query>,
    options: CallOptions<Body>,
    listener: OperationListener,
  ): Promise<Result> {
    const { bytes } = options;
    const body = bytes === undefined ? jsonBody(options.body) : rawBody(bytes);
    const response = await this.#send(route, options, body);
    const schema = await resultSchema(route);
    for await (const event of decodeEvents(response.body)) {
      if (event.event === 'progress') await listener.onProgress(event);
      else if (event.event === 'notice') await listener.onNotice(event.text);
      else if (event.event === 'error') throw fromProblem(event.problem);
      else return parseResult(schema, event.result);
    }
    throw new KelpieError(
      'daemon_unavailable',
      'the daemon ended before the operation did; `kelpie ps` tells what became of it.',
    );
  }

  /** An attached session: frames both ways at once. */
  async attach(
    vm: string,
    frames: AsyncIterable<Bytes>,
    signal?: AbortSignal,
  ): Promise<AsyncIterable<ExecFrame>> {
    const options = { parameters: { vm }, ...(signal === undefined ? {} : { signal }) };
    const response = await this.#send(routes.attach, options, { bytes: frames, type: EXEC_CONTENT_TYPE });
    return decodeExecFrames(response.body);
  }

  /** Raw bytes from the daemon, with the answer's headers. */
  async download(route: AnyRoute, options: CallOptions): Promise<HttpResponse> {
    return this.#send(route, options, null);
  }

  /** An export: what comes is told first. The bytes must be read to their end, or left by `return()`. */
  async export<Query>(
    route: Route<BlobOpened, undefined, Query>,
    options: CallOptions<undefined>,
  ): Promise<BlobDownload> {
    const response = await this.#send(route, options, null);
    const { readBlobFrames } = await import('../daemon/api/blob-frames.ts');
    return readBlobFrames(response.body, await resultSchema(route));
  }

  /** Raw bytes to the daemon. */
  async upload<Result, Body, Query>(
    route: Route<Result, Body, Query>,
    options: CallOptions<Body>,
    bytes: AsyncIterable<Bytes>,
  ): Promise<Result> {
    const response = await this.#send(route, options, rawBody(bytes));
    const schema = await resultSchema(route);
    return parseResult(schema, JSON.parse(fromUtf8(await readAll(response.body))));
  }

  async #send(route: AnyRoute, options: CallOptions, body: RequestBody | null): Promise<HttpResponse> {
    const raw = await this.#request(route, options, body);
    const response = { ...raw, body: answerOf(raw.body) };
    if (response.status < 300) return response;
    const text = fromUtf8(await readAll(response.body));
    const told = readProblem(parseJsonOrNull(text));
    if (told !== null) throw fromProblem(told);
    throw new KelpieError(
      'daemon_unavailable',
      `the daemon answered ${response.status} without saying why; see kelpied.log.`,
    );
  }

  async #request(route: AnyRoute, options: CallOptions, body: RequestBody | null): Promise<HttpResponse> {
    try {
      return await this.#env.http.request({
        target: { address: { kind: 'unix', path: this.#socketPath } },
        method: route.method,
        path: pathOf(route, options.parameters, options.query),
        headers: {
          [API_VERSION_HEADER]: String(API_VERSION),
          ...(body === null ? {} : { 'content-type': body.type }),
        },
        ...(body === null ? {} : { body: body.bytes }),
        ...(options.signal === undefined ? {} : { signal: options.signal }),
      });
    } catch (error) {
      if (!isSystemError(error)) throw error;
      throw new KelpieError(
        'daemon_unavailable',
        `the daemon does not answer at ${this.#socketPath} (${error.errno}).`,
        { cause: error },
      );
    }
  }
}

/** What the daemon says. When it is cut short, the daemon has died. */
async function* answerOf(body: AsyncIterable<Bytes>): AsyncGenerator<Bytes, void> {
  try {
    yield* body;
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw new KelpieError(
      'daemon_unavailable',
      'the daemon ended before it had answered: `kelpie ps` starts it again, and tells what became of the VM.',
      { cause: error },
    );
  }
}

interface RequestBody {
  readonly bytes: Bytes | AsyncIterable<Bytes>;
  readonly type: string;
}

function jsonBody(body: unknown): RequestBody | null {
  return body === undefined ? null : { bytes: utf8(JSON.stringify(body)), type: 'application/json' };
}

function rawBody(bytes: AsyncIterable<Bytes>): RequestBody {
  return { bytes, type: 'application/octet-stream' };
}

/** The schema of what a route answers. Loaded once the daemon has begun to answer: it works on while we load. */
async function resultSchema<Result, Body, Query>(
  route: Route<Result, Body, Query>,
): Promise<z.ZodType<Result>> {
  assert(route.result !== undefined, `the route ${route.path} has no result`);
  const [, schema] = await Promise.all([zodForAnswers(), route.result()]);
  return schema;
}

const zodForAnswers = loadOnce(async () => {
  const { config } = await import('zod');
  // To compile checks of one answer takes 8 ms longer than to make them.
  config({ jitless: true });
});

function parseResult<Result>(schema: z.ZodType<Result>, value: unknown): Result {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new KelpieError(
    'daemon_version_mismatch',
    'the daemon answers in a form that this version does not know: `kelpie daemon restart`.',
    {
      cause: parsed.error,
    },
  );
}

async function readAll(body: AsyncIterable<Bytes>): Promise<Bytes> {
  const tooLarge = (): Error =>
    new KelpieError('limit_exceeded', 'the daemon’s answer is larger than this program reads.');
  return await collectBytes(body, RESPONSE_JSON_BYTES_MAX, tooLarge);
}
