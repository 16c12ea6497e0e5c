/**
 * A long operation as a stream of events. What the client does not take in time is not piled up: progress is told by its newest, results
 * are one, notices are bounded. When the client goes away the operation is canceled, and finds its way back by itself.
 */
import { KelpieError, asError } from '../base/errors.ts';
import { EVENTS_CONTENT_TYPE, encodeEvent } from './api/events.ts';
import { toProblem } from './api/problem.ts';
import { answerBytes } from './answers.ts';
import { NOTICES_MAX, PROGRESS_INTERVAL_MS } from './limits.ts';
import type { Bytes } from '../base/bytes.ts';
import type { Clock } from '../env/clock.ts';
import type { OperationListener } from '../teleport/progress.ts';
import type { OperationOptions } from '../teleport/source.ts';
import type { OperationEvent, Progress } from './api/events.ts';
import type { Route } from './api/routes.ts';
import type { Supervisor } from './supervisor.ts';

/**
 * Answers with the events of `act`. What fails before `act` has told anything is answered as a plain problem with its status.
 * @param route whose result `act` gives.
 */
export async function answerEvents<Result>(
  supervisor: Supervisor,
  _route: Route<Result, never, never> | Route<Result>,
  request: Request,
  act: (options: OperationOptions) => Promise<Result>,
): Promise<Response> {
  const { log, env } = supervisor.host;
  const events = new EventFeed(env.clock);
  const canceled = new AbortController();
  const cancel = (): void =>
    canceled.abort(new KelpieError('canceled', 'the operation was canceled: its client went away.'));
  request.signal.addEventListener('abort', cancel);
  const signal = AbortSignal.any([canceled.signal, supervisor.ending]);
  const settled = act({ listener: events, signal })
    .then((result) => events.finish({ event: 'result', result }))
    .catch((error: unknown) => {
      if (!(error instanceof KelpieError)) log.error({ event: 'operation-failed', err: asError(error) });
      events.finish({ event: 'error', problem: toProblem(error) });
    })
    .finally(() => request.signal.removeEventListener('abort', cancel));
  await Promise.race([events.begun, settled]);
  const failure = events.failureBeforeBegin;
  if (failure !== null) {
    return Response.json(failure, {
      status: failure.status,
      headers: { 'content-type': 'application/problem+json' },
    });
  }
  return answerBytes(EVENTS_CONTENT_TYPE, events.read());
}

/** What an operation tells, kept until it is read. */
class EventFeed implements OperationListener {
  /** Resolves with the first event. */
  readonly begun: Promise<void>;
  readonly #clock: Clock;
  readonly #begin: () => void;
  #hasBegun = false;
  #queue: OperationEvent[] = [];
  #progress: Progress | null = null;
  #told: { readonly key: string; readonly atMs: number } | null = null;
  #last: OperationEvent | null = null;
  #wake: (() => void) | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.begun = promise;
    this.#begin = resolve;
  }

  get failureBeforeBegin(): Extract<OperationEvent, { event: 'error' }>['problem'] | null {
    return !this.#hasBegun && this.#last?.event === 'error' ? this.#last.problem : null;
  }

  progress(
    phase: string,
    item: string | null = null,
    doneBytes: number | null = null,
    totalBytes: number | null = null,
  ): void {
    const key = `${phase} ${item ?? ''}`;
    const nowMs = this.#clock.monotonicMs();
    const isNews = this.#told?.key !== key || doneBytes === totalBytes;
    if (!isNews && nowMs - (this.#told?.atMs ?? 0) < PROGRESS_INTERVAL_MS) return;
    // Each phase and item is told at least once, even to a client that reads slowly.
    if (this.#progress !== null && `${this.#progress.phase} ${this.#progress.item ?? ''}` !== key)
      this.#keepProgress();
    this.#told = { key, atMs: nowMs };
    this.#progress = { phase, item, doneBytes, totalBytes };
    this.#changed();
  }

  notice(text: string): void {
    if (this.#queue.length < NOTICES_MAX) this.#queue.push({ event: 'notice', text });
    this.#changed();
  }

  finish(event: OperationEvent): void {
    this.#last = event;
    this.#wake?.();
  }

  async *read(): AsyncGenerator<Bytes, void> {
    for (;;) {
      this.#keepProgress();
      const waiting = this.#queue;
      this.#queue = [];
      for (const event of waiting) yield encodeEvent(event);
      if (this.#queue.length > 0 || this.#progress !== null) continue;
      if (this.#last !== null) {
        yield encodeEvent(this.#last);
        return;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #keepProgress(): void {
    if (this.#progress !== null && this.#queue.length < NOTICES_MAX)
      this.#queue.push({ event: 'progress', ...this.#progress });
    this.#progress = null;
  }

  #changed(): void {
    this.#hasBegun = true;
    this.#begin();
    this.#wake?.();
  }
}
