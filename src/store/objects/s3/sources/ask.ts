import { collectBytes, fromUtf8Lossy, utf8 } from '../../../../base/bytes.ts';
import type { Env } from '../../../../env/env.ts';
import { SystemError } from '../../../../env/system-error.ts';
import { ERROR_BYTES_MAX } from '../../limits.ts';
import { StoreTrouble } from '../../store-trouble.ts';
import { TooSlow, withDeadline } from '../deadline.ts';
import { endpointOf, serviceUrl } from '../endpoint.ts';
import { noKeys } from './temporary-keys.ts';

/** What the places that give keys are asked with. */
export type SourceEnv = Pick<Env, 'clock' | 'compute' | 'files' | 'host' | 'http' | 'processes'>;

export interface Question {
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly url: URL;
  /** Names in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly durationMs: number;
  /** Who is asked, for sentences: `the role service sts.eu-central-1.amazonaws.com`. */
  readonly what: string;
}

export interface SmallAnswer {
  readonly status: number;
  readonly text: string;
}

/** One small question, asked once. @throws StoreTrouble `unavailable` when there is no answer in time, or one of a service that is ill; `wrong_answer` for one that is too long. */
export async function ask(env: Pick<Env, 'clock' | 'http'>, question: Question): Promise<SmallAnswer> {
  const { url, what } = question;
  const { host, port, isTls } = endpointOf(url);
  const body = question.body === undefined ? null : utf8(question.body);
  try {
    return await withDeadline(env.clock, question.durationMs, undefined, async (signal) => {
      const response = await env.http.request({
        target: { address: { kind: 'tcp', host, port }, tls: isTls },
        method: question.method,
        path: `${url.pathname}${url.search}`,
        headers: {
          ...question.headers,
          host: url.host,
          ...(body === null && question.method === 'GET'
            ? {}
            : { 'content-length': String(body?.byteLength ?? 0) }),
        },
        ...(body === null ? {} : { body }),
        signal,
      });
      const text = fromUtf8Lossy(await collectBytes(response.body, ERROR_BYTES_MAX, () => tooMuch(what)));
      if (response.status >= 500) throw silent(what, ` (status ${response.status})`);
      return { status: response.status, text };
    });
  } catch (error) {
    if (!(error instanceof TooSlow) && !(error instanceof SystemError)) throw error;
    throw silent(what, error instanceof SystemError ? ` (${error.errno})` : ' in time', error);
  }
}

function silent(what: string, why: string, cause?: unknown): StoreTrouble {
  const message = `${what}, which has the keys for the store, does not answer${why}: try again.`;
  return new StoreTrouble('unavailable', message, { cause });
}

function tooMuch(what: string): StoreTrouble {
  return new StoreTrouble('wrong_answer', `${what}, which has the keys for the store, answers too much.`);
}

/**
 * Where a service is: where the variable says, else where it is by itself.
 * @throws StoreTrouble `no_credentials` for a variable that has no address.
 */
export function serviceAt({ host }: Pick<SourceEnv, 'host'>, variable: string, usual: string): URL {
  const named = host.variable(variable) ?? '';
  const url = serviceUrl(named === '' ? usual : named);
  if (url === null) throw noKeys(`${variable} is not an address`);
  return url;
}
