/** The workers of a campaign: processes of this program that run worlds side by side. What a job gives does not depend on who does it. */
import { assert } from '../base/assert.ts';
import { concat, fromUtf8, fromUtf8Lossy, utf8 } from '../base/bytes.ts';
import type { Bytes } from '../base/bytes.ts';
import { asError, KelpieError } from '../base/errors.ts';
import type { Env } from '../env/env.ts';
import type { Child, Processes } from '../env/processes.ts';
import { parseAnswer } from './jobs.ts';
import type { Answer, Job } from './jobs.ts';

/** Jobs that a worker holds: one that runs, one that waits, so that it never waits for us. */
const JOBS_PER_WORKER = 2;
/** Jobs for each that are begun before the first is over: one slow job keeps nobody waiting. */
const AHEAD_PER_JOB = 4;
/** Of a worker's last words. */
const LAST_WORDS_MAX = 2000;
const NEWLINE = 0x0a;

export type Request = Omit<Job, 'id'>;

interface Asked {
  readonly job: Job;
  readonly answer: PromiseWithResolvers<Answer>;
  readonly signal: AbortSignal | undefined;
}

interface Worker {
  readonly child: Child;
  /** What it was asked and has not answered, by id. */
  readonly asked: Map<number, Asked>;
  /** Its input takes one line after the other. */
  writing: Promise<void>;
}

/** What it needs of the world. */
interface CrewEnv extends Pick<Env, 'host'> {
  readonly processes: Pick<Processes, 'spawn'>;
}

export class Crew {
  readonly #workers: readonly Worker[];
  readonly #queue: Asked[] = [];
  #ids = 0;
  /** Why nothing is begun any more. */
  #failure: KelpieError | null = null;

  private constructor(workers: readonly Worker[]) {
    this.#workers = workers;
    for (const worker of workers) void this.#listen(worker);
  }

  static async start(env: CrewEnv, size: number): Promise<Crew> {
    assert(size > 0, 'somebody works');
    const { launcherPath } = env.host;
    const workers: Worker[] = [];
    for (let index = 0; index < size; index += 1) {
      const child = await env.processes.spawn({
        command: launcherPath,
        args: ['sim-worker'],
        output: 'capture',
        stdin: 'pipe',
      });
      workers.push({ child, asked: new Map(), writing: Promise.resolve() });
    }
    return new Crew(workers);
  }

  /** How many jobs can be under way; more only wait. */
  get size(): number {
    return this.#workers.length * JOBS_PER_WORKER;
  }

  /** How many jobs whoever takes answers in their order has begun beside the first. */
  get ahead(): number {
    return this.size * AHEAD_PER_JOB - 1;
  }

  /**
   * @param signal ends the wait for a worker; a run that a worker has begun goes on to its end.
   * @throws KelpieError `internal` when a worker has died; the signal's reason.
   */
  run(request: Request, signal?: AbortSignal): Promise<Answer> {
    this.#ids += 1;
    const answer = Promise.withResolvers<Answer>();
    this.#queue.push({ job: { ...request, id: this.#ids }, answer, signal });
    this.#dispatch();
    return answer.promise;
  }

  /** Ends the workers at once. */
  async close(): Promise<void> {
    for (const { child } of this.#workers) child.kill('SIGKILL');
    await Promise.all(this.#workers.map(({ child }) => child.wait()));
  }

  #dispatch(): void {
    for (const worker of this.#workers.toSorted((a, b) => a.asked.size - b.asked.size)) {
      if (worker.asked.size >= JOBS_PER_WORKER) continue;
      const next = this.#nextWanted();
      if (next === undefined) return;
      worker.asked.set(next.job.id, next);
      const line = utf8(`${JSON.stringify(next.job)}\n`);
      worker.writing = worker.writing
        .then(() => worker.child.stdin?.write(line))
        // It ended: whoever listens to it says so.
        .catch(() => undefined);
    }
  }

  #nextWanted(): Asked | undefined {
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      const { answer, signal } = next;
      if (this.#failure !== null) answer.reject(this.#failure);
      else if (signal?.aborted === true) answer.reject(signal.reason);
      else return next;
    }
    return undefined;
  }

  async #listen(worker: Worker): Promise<void> {
    const words = lastWords(worker.child);
    let failure: unknown = null;
    try {
      for await (const line of linesOf(worker.child.stdout)) this.#take(worker, parseAnswer(line));
    } catch (error) {
      failure = error;
    }
    // One that talks nonsense is alive.
    worker.child.kill('SIGKILL');
    const why = (await words).trim() || asError(failure ?? 'it said nothing').message;
    const error = new KelpieError('internal', `a worker of the simulation ended: ${why}`, { cause: failure });
    for (const { answer } of worker.asked.values()) answer.reject(error);
    worker.asked.clear();
    this.#failure ??= error;
    this.#dispatch();
  }

  #take(worker: Worker, answer: Answer): void {
    const asked = worker.asked.get(answer.id);
    assert(asked !== undefined, 'an answer is to a question');
    worker.asked.delete(answer.id);
    this.#dispatch();
    asked.answer.resolve(answer);
  }
}

async function* linesOf(stream: AsyncIterable<Bytes>): AsyncGenerator<string> {
  let parts: Bytes[] = [];
  for await (const chunk of stream) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      yield fromUtf8(concat([...parts, chunk.subarray(start, end)]));
      parts = [];
      start = end + 1;
    }
    parts.push(chunk.slice(start));
  }
}

async function lastWords(child: Child): Promise<string> {
  let text = '';
  for await (const chunk of child.stderr) text = (text + fromUtf8Lossy(chunk)).slice(-LAST_WORDS_MAX);
  return text;
}
