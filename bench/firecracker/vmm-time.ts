/** Tells the time that a VMM takes from our own: what passes while it starts, or has been asked and has not answered. */
import type { Env } from '../../src/env/env.ts';
import type { HttpRequest, HttpResponse } from '../../src/env/http.ts';

interface Span {
  readonly what: string;
  readonly startMs: number;
  readonly endMs: number;
}

export class VmmTime {
  /** Its calls go on as those of `env`, and are timed. */
  readonly env: Env;
  readonly #spans: Span[] = [];
  /** When the process was started last that has not answered yet. */
  #startedMs: number | null = null;

  constructor(env: Env) {
    this.env = {
      ...env,
      http: { ...env.http, request: (request) => this.#timed(env, request) },
      processes: {
        spawn: async (options) => {
          const child = await env.processes.spawn(options);
          if (options.detached === true) this.#startedMs = performance.now();
          return child;
        },
        adopt: (identity) => env.processes.adopt(identity),
        isAlive: (identity) => env.processes.isAlive(identity),
        list: () => env.processes.list(),
      },
    };
  }

  forget(): void {
    this.#spans.length = 0;
  }

  /** The first call, `PATCH /vm` … @throws Error when it was not made. */
  first(what: string): Span {
    return found(
      what,
      this.#spans.find((span) => span.what === what),
    );
  }

  last(what: string): Span {
    return found(
      what,
      this.#spans.findLast((span) => span.what === what),
    );
  }

  /** How much of a time was not the VMM's. */
  own(fromMs: number, toMs: number): number {
    let own = toMs - fromMs;
    let coveredMs = fromMs;
    for (const { startMs, endMs } of this.#spans.toSorted((a, b) => a.startMs - b.startMs)) {
      const start = Math.max(startMs, coveredMs);
      const end = Math.min(endMs, toMs);
      if (end <= start) continue;
      own -= end - start;
      coveredMs = end;
    }
    return own;
  }

  async #timed({ http }: Env, request: HttpRequest): Promise<HttpResponse> {
    const startMs = performance.now();
    const response = await http.request(request);
    const note = (): void => this.#note(`${request.method} ${request.path}`, startMs);
    return { ...response, body: noted(response.body, note) };
  }

  #note(what: string, startMs: number): void {
    this.#spans.push({ what, startMs: this.#startedMs ?? startMs, endMs: performance.now() });
    this.#startedMs = null;
  }
}

async function* noted<T>(parts: AsyncIterable<T>, onEnd: () => void): AsyncGenerator<T, void> {
  yield* parts;
  onEnd();
}

function found(what: string, span: Span | undefined): Span {
  if (span === undefined) throw new Error(`${what} was never called`);
  return span;
}
