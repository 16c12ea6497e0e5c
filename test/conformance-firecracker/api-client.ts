/** The least that asks Firecracker something: one request, one answer, each bounded. */
import { collectBytes, fromUtf8Lossy, utf8 } from '../../src/base/bytes.ts';
import { MIB } from '../../src/base/units.ts';
import type { Env } from '../../src/env/env.ts';

export interface Answer {
  readonly status: number;
  /** What the body says; null when there is none. */
  readonly json: unknown;
}

/** Snapshots of a large machine on a slow disk take their time; everything else is quick. */
const ANSWER_TIMEOUT_MS = 120_000;

/** @throws Error when no answer comes, or one that is not HTTP and JSON; SystemError when nobody serves the socket. */
export async function ask(
  { http }: Pick<Env, 'http'>,
  socketPath: string,
  method: 'GET' | 'PUT' | 'PATCH',
  path: string,
  body?: unknown,
): Promise<Answer> {
  const content = body === undefined ? null : utf8(typeof body === 'string' ? body : JSON.stringify(body));
  const response = await http.request({
    target: { address: { kind: 'unix', path: socketPath } },
    method,
    path,
    headers: {
      host: 'localhost',
      ...(content === null
        ? {}
        : { 'content-type': 'application/json', 'content-length': String(content.byteLength) }),
    },
    ...(content === null ? {} : { body: content }),
    signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
  });
  const bytes = await collectBytes(response.body, MIB, () => new Error(`a long answer to ${method} ${path}`));
  const text = fromUtf8Lossy(bytes);
  try {
    return { status: response.status, json: text === '' ? null : JSON.parse(text) };
  } catch (error) {
    throw new Error(`the answer to ${method} ${path} is not JSON: ${text}`, { cause: error });
  }
}
