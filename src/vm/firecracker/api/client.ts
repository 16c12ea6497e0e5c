/**
 * Firecracker's API over its Unix socket: one request, one answer, each within a time and a size. Whatever goes wrong is a `KelpieError`
 * `vm_backend_failed` whose sentence has the server's own text.
 */
import { z } from 'zod';
import { collectBytes, fromUtf8Lossy, utf8 } from '../../../base/bytes.ts';
import type { Bytes } from '../../../base/bytes.ts';
import { isKelpieError, KelpieError } from '../../../base/errors.ts';
import { parseJsonOrNull } from '../../../base/json.ts';
import { withoutFullStop } from '../../../base/sentence.ts';
import type { Env } from '../../../env/env.ts';
import type { HttpResponse } from '../../../env/http.ts';
import { isSystemError, SystemError } from '../../../env/system-error.ts';
import { startTimer } from '../../../guest/timer.ts';
import { API_ANSWER_BYTES_MAX, API_CALL_TIMEOUT_MS } from '../limits.ts';

/** What is quoted of an answer that is no JSON. */
const QUOTED_CHARACTERS_MAX = 300;

const faultSchema = z.object({ fault_message: z.string() });

export interface ApiCall {
  readonly method: 'GET' | 'PUT' | 'PATCH';
  readonly path: string;
  readonly body?: object;
  /** For the sentence of an error: `start the VM`. */
  readonly act: string;
  /** `API_CALL_TIMEOUT_MS` if absent. */
  readonly timeoutMs?: number;
}

export class FirecrackerApi {
  readonly #env: Pick<Env, 'http' | 'clock'>;
  readonly #socketPath: string;

  constructor(env: Pick<Env, 'http' | 'clock'>, socketPath: string) {
    this.#env = env;
    this.#socketPath = socketPath;
  }

  /**
   * An act without an answer.
   * @throws KelpieError `vm_backend_failed`; with `data.fault` when Firecracker refused.
   */
  async act(call: ApiCall): Promise<void> {
    await this.#exchange(call);
  }

  /** A question. @throws as `act`. */
  async ask<T>(call: ApiCall, schema: z.ZodType<T>): Promise<T> {
    const parsed = schema.safeParse(parseJsonOrNull(fromUtf8Lossy(await this.#exchange(call))));
    if (parsed.success) return parsed.data;
    throw notItsApi(call, parsed.error);
  }

  async #exchange(call: ApiCall): Promise<Bytes> {
    const timeoutMs = call.timeoutMs ?? API_CALL_TIMEOUT_MS;
    const deadline = new AbortController();
    const cancelTimer = startTimer(this.#env.clock, timeoutMs, () => deadline.abort());
    try {
      const { status, bytes } = await this.#send(call, deadline.signal);
      if (status >= 200 && status < 300) return bytes;
      throw refused(call, status, bytes);
    } catch (error) {
      if (!deadline.signal.aborted) throw told(call, error);
      const message = `Firecracker did not ${call.act} in ${timeoutMs / 1000} s.`;
      throw new KelpieError('vm_backend_failed', message, { cause: error });
    } finally {
      cancelTimer();
    }
  }

  async #send(
    call: ApiCall,
    signal: AbortSignal,
  ): Promise<{ readonly status: number; readonly bytes: Bytes }> {
    const body = call.body === undefined ? {} : { body: utf8(JSON.stringify(call.body)) };
    const length = body.body === undefined ? {} : { 'content-length': String(body.body.byteLength) };
    const response = await this.#env.http.request({
      target: { address: { kind: 'unix', path: this.#socketPath } },
      method: call.method,
      path: call.path,
      headers: {
        host: 'localhost',
        accept: 'application/json',
        'content-type': 'application/json',
        ...length,
      },
      ...body,
      signal,
    });
    return { status: response.status, bytes: await readAnswer(call, response) };
  }
}

async function readAnswer(call: ApiCall, response: HttpResponse): Promise<Bytes> {
  const tooLong = (): Error => notItsApi(call, new Error(`more than ${API_ANSWER_BYTES_MAX} bytes`));
  return await collectBytes(response.body, API_ANSWER_BYTES_MAX, tooLong);
}

function refused(call: ApiCall, status: number, bytes: Bytes): KelpieError {
  const text = fromUtf8Lossy(bytes);
  const parsed = faultSchema.safeParse(parseJsonOrNull(text));
  const fault = (parsed.success ? parsed.data.fault_message : text).trim();
  const quoted = withoutFullStop(fault.slice(0, QUOTED_CHARACTERS_MAX).replaceAll(/\s+/g, ' '));
  const message = `Firecracker refused to ${call.act}: ${quoted === '' ? `status ${status}` : quoted}.`;
  return new KelpieError('vm_backend_failed', message, {
    cause: new Error(fault),
    data: { status, fault: quoted },
  });
}

function notItsApi(call: ApiCall, cause: unknown): KelpieError {
  const message = `what Firecracker answered when asked to ${call.act} is not of its API; is another program at its socket?`;
  return new KelpieError('vm_backend_failed', message, { cause });
}

function told(call: ApiCall, error: unknown): unknown {
  if (!(error instanceof SystemError)) return error;
  if (error.errno === 'EPROTO') return notItsApi(call, error);
  const message = `the connection to Firecracker broke when it was asked to ${call.act}: ${error.errno}.`;
  return new KelpieError('vm_backend_failed', message, { cause: error });
}

/** True for the error of a call when nobody serves the socket: Firecracker has not begun to, or has ended. */
export function isUnserved(error: unknown): boolean {
  return isKelpieError(error, 'vm_backend_failed') && isSystemError(error.cause, 'ENOENT', 'ECONNREFUSED');
}
