/** An `Http` whose server is a function; what was asked is kept. */
import { fromUtf8, utf8 } from '../../src/base/bytes.ts';
import type { Bytes } from '../../src/base/bytes.ts';
import type { Http, HttpRequest, HttpResponse } from '../../src/env/http.ts';

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
}

export interface Answer {
  readonly status: number;
  readonly body?: string;
}

export class ScriptedHttp implements Http {
  readonly asked: Asked[] = [];
  readonly #answer: (asked: Asked, signal: AbortSignal | undefined) => Promise<Answer>;

  constructor(answer: (asked: Asked, signal: AbortSignal | undefined) => Promise<Answer>) {
    this.#answer = answer;
  }

  async request({ method, path, body, signal }: HttpRequest): Promise<HttpResponse> {
    const text = body instanceof Uint8Array ? fromUtf8(body) : '';
    const sent: unknown = text === '' ? null : JSON.parse(text);
    const asked = { method, path, body: sent };
    this.asked.push(asked);
    const answer = await this.#answer(asked, signal);
    const bytes = utf8(answer.body ?? '');
    return {
      status: answer.status,
      headers: {},
      body: chunks(bytes),
      readInto: async (into) => {
        if (bytes.byteLength > into.byteLength) return null;
        into.set(bytes);
        return bytes.byteLength;
      },
    };
  }

  async serve(): Promise<never> {
    throw new Error('the scripted HTTP serves nobody');
  }
}

async function* chunks(bytes: Bytes): AsyncGenerator<Bytes> {
  await Promise.resolve();
  if (bytes.byteLength > 0) yield bytes;
}
