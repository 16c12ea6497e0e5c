/**
 * One S3 request and its answer, over `env.http`: signs, sends, reads a bounded answer, and tells what went wrong as a
 * `StoreTrouble`. It tries once, but for two refusals after which the same request is sent again in other words: the bucket's region
 * is another, and the keys have expired but new ones lie ready.
 *
 * Bodies go as they are, signed whole: never `aws-chunked`, which some services refuse and others store as it came.
 */
import { collectBytes, fromUtf8Lossy, utf8 } from '../../../base/bytes.ts';
import type { Bytes } from '../../../base/bytes.ts';
import { SECOND_MS } from '../../../base/units.ts';
import type { Env } from '../../../env/env.ts';
import type { HttpResponse } from '../../../env/http.ts';
import { SystemError } from '../../../env/system-error.ts';
import { ERROR_BYTES_MAX, REQUEST_BYTES_PER_S_MIN, REQUEST_MS_MAX } from '../limits.ts';
import { StoreTrouble, isStoreTrouble } from '../store-trouble.ts';
import type { Credentials, CredentialSource } from './credentials.ts';
import { wrongAnswer } from './answers.ts';
import { TooSlow, withDeadline } from './deadline.ts';
import { explainRefusal, parseRefusal } from './explain-refusal.ts';
import type { Refusal } from './explain-refusal.ts';
import type { Endpoint } from './endpoint.ts';
import type { S3Settings } from './s3-settings.ts';
import { Signer, escapePath, queryText } from './sign-request.ts';

export type S3Env = Pick<Env, 'clock' | 'compute' | 'http'>;

export interface S3Request {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
  /** With the store's prefix; empty: the bucket itself. */
  readonly key: string;
  readonly query?: Readonly<Record<string, string>>;
  /** Names in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Bytes;
  /** Of the body, where the caller has it already; a second of processor time for each GB. */
  readonly bodySha256?: string;
  readonly isWrite: boolean;
  /** Statuses that the caller understands, beside 200 to 299. */
  readonly accepts?: readonly number[];
  /** Bound of the answer's body. */
  readonly answerBytesMax: number;
  /** Where its body goes when it fits. */
  readonly into?: Bytes | undefined;
  readonly signal: AbortSignal | undefined;
}

export interface S3Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Bytes;
  /** Of an answer that is no success; who asked sees those that it accepts. */
  readonly refusal: Refusal | null;
}

const noBody: Bytes = new Uint8Array(0);
/** Raised before anything was sent. */
const connectErrnos = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EAI_FAIL', 'EAI_NONAME']);

export class S3Client {
  readonly #env: S3Env;
  readonly #settings: S3Settings;
  readonly #credentials: CredentialSource;
  readonly #signer: Signer;
  #region: string;

  constructor(env: S3Env, settings: S3Settings, credentials: CredentialSource) {
    this.#env = env;
    this.#settings = settings;
    this.#credentials = credentials;
    this.#signer = new Signer(env.compute);
    this.#region = settings.region;
  }

  /** @throws StoreTrouble; the signal's reason. */
  async send(request: S3Request): Promise<S3Answer> {
    let credentials = await this.#credentials.current();
    for (let isRegionKnown = false, isRenewed = false; ;) {
      const answer = await this.#exchange(request, credentials);
      const { refusal } = answer;
      if (refusal === null || request.accepts?.includes(refusal.status) === true) return answer;
      const trouble = explainRefusal(refusal, { settings: this.#settings, isWrite: request.isWrite });
      if (!isRegionKnown && this.#adoptsRegion(trouble, refusal)) {
        isRegionKnown = true;
      } else if (
        !isRenewed &&
        isStoreTrouble(trouble, 'credentials_expired') &&
        (await this.#credentials.renew(credentials))
      ) {
        isRenewed = true;
        credentials = await this.#credentials.current();
      } else {
        throw trouble;
      }
    }
  }

  /** The region is believed; another host than the endpoint's is never asked on a service's word. */
  #adoptsRegion(trouble: StoreTrouble, { region }: Refusal): boolean {
    if (trouble.kind !== 'wrong_region' || region === null || region === this.#region) return false;
    this.#region = region;
    return true;
  }

  async #exchange(request: S3Request, credentials: Credentials): Promise<S3Answer> {
    try {
      return await withDeadline(
        this.#env.clock,
        timeFor(request.body),
        request.signal,
        async (signal, allow) => {
          const response = await this.#request(request, credentials, signal);
          // What may be long is not waited for as long as that before it begins.
          allow(REQUEST_MS_MAX + (request.answerBytesMax / REQUEST_BYTES_PER_S_MIN) * SECOND_MS);
          const { status, headers } = response;
          const isSuccess = status >= 200 && status < 300;
          const bytesMax = isSuccess ? request.answerBytesMax : ERROR_BYTES_MAX;
          const body = await readBody(response, bytesMax, { url: this.#settings.url, into: request.into });
          const refusal =
            isSuccess && !isErrorDocument(request, body)
              ? null
              : parseRefusal(status, headers, fromUtf8Lossy(body));
          return { status, headers, body, refusal };
        },
      );
    } catch (error) {
      throw this.#told(error, request.isWrite);
    }
  }

  async #request(request: S3Request, credentials: Credentials, signal: AbortSignal): Promise<HttpResponse> {
    const { isPathStyle, bucket } = this.#settings;
    const endpoint = this.#endpoint();
    const host = isPathStyle ? endpoint.host : `${bucket}.${endpoint.host}`;
    const isUsualPort = endpoint.port === (endpoint.isTls ? 443 : 80);
    const hostText = host.includes(':') ? `[${host}]` : host;
    const path = escapePath(isPathStyle ? `/${bucket}/${request.key}` : `/${request.key}`);
    const query = request.query ?? {};
    const body = request.body ?? noBody;
    const headers = this.#signer.sign(
      {
        method: request.method,
        path,
        query,
        headers: { ...request.headers, host: isUsualPort ? hostText : `${hostText}:${endpoint.port}` },
        bodySha256: request.bodySha256 ?? this.#env.compute.sha256(body),
      },
      credentials,
      this.#region,
      this.#env.clock.wallMs(),
    );
    const hasBody = request.method === 'PUT' || request.method === 'POST';
    const text = queryText(query);
    return await this.#env.http.request({
      target: { address: { kind: 'tcp', host, port: endpoint.port }, tls: endpoint.isTls },
      method: request.method,
      path: text === '' ? path : `${path}?${text}`,
      headers: hasBody ? { ...headers, 'content-length': String(body.byteLength) } : headers,
      ...(hasBody ? { body } : {}),
      signal,
    });
  }

  #endpoint(): Endpoint {
    return this.#settings.endpoint ?? { host: `s3.${this.#region}.amazonaws.com`, port: 443, isTls: true };
  }

  #told(error: unknown, isWrite: boolean): unknown {
    const { url } = this.#settings;
    if (error instanceof TooSlow)
      return new StoreTrouble(
        'unavailable',
        `${url} did not answer in time: check the network, and try again.`,
        {
          cause: error,
          isOutcomeUnknown: isWrite,
        },
      );
    if (!(error instanceof SystemError)) return error;
    const { host, port } = this.#endpoint();
    const sentence = `cannot reach ${url} at ${host}:${port} (${error.errno}): check the network and the endpoint, and try again.`;
    const isOutcomeUnknown = isWrite && !connectErrnos.has(error.errno);
    return new StoreTrouble('unavailable', sentence, { cause: error, isOutcomeUnknown });
  }
}

/** Until an answer begins. */
function timeFor(body: Bytes = noBody): number {
  return REQUEST_MS_MAX + (body.byteLength / REQUEST_BYTES_PER_S_MIN) * SECOND_MS;
}

/** An answer that began as a success and then was none; bodies of objects are not looked into. */
function isErrorDocument(request: S3Request, body: Bytes): boolean {
  if (!request.isWrite || body.byteLength === 0 || body.byteLength > ERROR_BYTES_MAX) return false;
  return fromUtf8Lossy(body).includes('<Error>');
}

/** @throws StoreTrouble `wrong_answer` when it is longer than the request lets it be. */
async function readBody(
  response: HttpResponse,
  bytesMax: number,
  { url, into }: { readonly url: string; readonly into: Bytes | undefined },
): Promise<Bytes> {
  const told = Number(response.headers['content-length'] ?? Number.NaN);
  if (told <= bytesMax) {
    const room = into !== undefined && told <= into.byteLength ? into : new Uint8Array(told);
    const length = await response.readInto(room.subarray(0, told));
    if (length !== null) return room.subarray(0, length);
    throw wrongAnswer(url, 'more than it said');
  }
  return await collectBytes(response.body, bytesMax, () => wrongAnswer(url, 'more than was asked for'));
}

/** Bytes of a document to send. */
export function documentBytes(text: string): Bytes {
  return utf8(`<?xml version="1.0" encoding="UTF-8"?>${text}`);
}
