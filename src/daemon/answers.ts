/** What goes to a client. */
import { utf8 } from '../base/bytes.ts';
import { PROBLEM_CONTENT_TYPE, toProblem } from './api/problem.ts';
import type { Bytes } from '../base/bytes.ts';
import type { Route } from './api/routes.ts';

/** A document of the route's result type. The compiler checks it; what we say ourselves is not parsed again. */
export function answerJson<Result>(
  _route: Route<Result, never, never> | Route<Result>,
  result: Result,
): Response {
  return json(200, 'application/json', result);
}

export function answerProblem(error: unknown): Response {
  const problem = toProblem(error);
  return json(problem.status, PROBLEM_CONTENT_TYPE, problem);
}

/** A stream that is read as the client takes it; when the client goes away, `bytes` is ended by `return()`. */
export function answerBytes(
  contentType: string,
  bytes: AsyncIterable<Bytes>,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return new Response(ReadableStream.from(bytes), { headers: { 'content-type': contentType, ...headers } });
}

function json(status: number, contentType: string, value: unknown): Response {
  const bytes = utf8(JSON.stringify(value));
  return new Response(new Uint8Array(bytes), { status, headers: { 'content-type': contentType } });
}
