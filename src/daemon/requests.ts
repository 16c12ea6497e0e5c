/** What comes from a client, parsed at the edge. */
import type { z } from 'zod';
import { collectBytes, fromUtf8 } from '../base/bytes.ts';
import { KelpieError } from '../base/errors.ts';
import { REQUEST_JSON_BYTES_MAX } from './api/limits.ts';
import { faultsOf, howItMustBe } from './request-faults.ts';
import type { Bytes } from '../base/bytes.ts';

/** The body as JSON of `schema`; an empty body is `{}`. @throws KelpieError `invalid_argument`, `limit_exceeded`, `usage`. */
export async function readBody<T>(request: Request, schema: z.ZodType<T>): Promise<T> {
  return parse(schema, await readJsonBody(request));
}

/** The query as `schema`. A name that is given twice counts once. @throws KelpieError `invalid_argument`. */
export function readQuery<T>(request: Request, schema: z.ZodType<T>): T {
  return parse(schema, Object.fromEntries(new URL(request.url).searchParams));
}

/** @throws KelpieError `invalid_argument` that names each wrong field and says how it must be. */
export function parse<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value, { error: howItMustBe });
  if (parsed.success) return parsed.data;
  const faults = faultsOf(parsed.error);
  throw new KelpieError('invalid_argument', `${faults.join('; ')}.`, { data: { faults } });
}

/** The raw bytes of a body, as they come. */
export async function* bodyBytes(request: Request): AsyncGenerator<Bytes, void> {
  if (request.body !== null) yield* request.body;
}

async function readJsonBody(request: Request): Promise<unknown> {
  const tooLarge = (): Error =>
    new KelpieError('limit_exceeded', `a request has at most ${REQUEST_JSON_BYTES_MAX} bytes.`);
  const bytes = await collectBytes(bodyBytes(request), REQUEST_JSON_BYTES_MAX, tooLarge);
  if (bytes.byteLength === 0) return {};
  try {
    const value: unknown = JSON.parse(fromUtf8(bytes));
    return value;
  } catch (error) {
    throw new KelpieError('usage', 'the request’s body is not JSON.', { cause: error });
  }
}
