/** One thread of the frame pool, seen from the pool. */
import { Worker } from 'node:worker_threads';
import { asError } from '../../base/errors.ts';
import { SystemError } from '../system-error.ts';
import type { FrameAnswer, FrameRequest, FrameResult, FrameTask } from './frame-messages.ts';

/** A frame takes 8 MB beside these; what V8 would take by default is for programs. */
const HEAP_LIMITS = { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 2, stackSizeMb: 1 } as const;

export interface FrameJob {
  readonly task: FrameTask;
  /** Of the task's bytes; it is moved. */
  readonly buffer: ArrayBuffer;
  /** Called once. */
  readonly settle: (result: FrameResult) => void;
}

export interface FrameThreadOptions {
  /** The module that the thread runs. */
  readonly program: URL;
  /** How long it may have nothing to do before it ends. */
  readonly idleMs: number;
  /** It has room again, or is gone. */
  readonly onChange: () => void;
}

export class FrameThread {
  private readonly options: FrameThreadOptions;
  private readonly worker: Worker;
  private readonly jobs = new Map<number, FrameJob>();
  private idle: NodeJS.Timeout | null = null;
  private jobsBegun = 0;
  private hasEnded = false;
  private failure: unknown = null;

  /** @throws Error when the system has no thread for it. */
  constructor(options: FrameThreadOptions) {
    this.options = options;
    const compileCache = process.env['NODE_COMPILE_CACHE'];
    this.worker = new Worker(options.program, {
      name: 'frames',
      // The program's own options and variables are not for it. Without the cache, it would load what strips types: 15 MB each.
      argv: [],
      execArgv: [],
      env: compileCache === undefined ? {} : { NODE_COMPILE_CACHE: compileCache },
      resourceLimits: HEAP_LIMITS,
    });
    this.worker.on('message', (answer: FrameAnswer) => this.answered(answer));
    this.worker.on('messageerror', (error) => this.end(error));
    this.worker.on('error', (error) => {
      this.failure = error;
    });
    this.worker.on('exit', (code) => {
      this.end(this.failure ?? new Error(`a frame worker ended with exit code ${code}`));
    });
  }

  get isAlive(): boolean {
    return !this.hasEnded;
  }

  /** Jobs under way. */
  get load(): number {
    return this.jobs.size;
  }

  begin(job: FrameJob): void {
    if (this.idle !== null) clearTimeout(this.idle);
    this.idle = null;
    this.worker.ref();
    this.jobsBegun += 1;
    this.jobs.set(this.jobsBegun, job);
    const request: FrameRequest = { id: this.jobsBegun, task: job.task };
    this.worker.postMessage(request, [job.buffer]);
  }

  private answered({ id, result }: FrameAnswer): void {
    const job = this.jobs.get(id);
    if (job === undefined) return;
    this.jobs.delete(id);
    job.settle(result);
    this.options.onChange();
    if (this.jobs.size === 0 && !this.hasEnded) this.rest();
  }

  /** It has nothing to do, and so keeps no process alive; ends when that lasts. */
  rest(): void {
    this.worker.unref();
    this.idle = setTimeout(() => this.end(null), this.options.idleMs);
    this.idle.unref();
  }

  private end(failure: unknown): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    if (this.idle !== null) clearTimeout(this.idle);
    void this.worker.terminate();
    for (const job of this.jobs.values()) job.settle({ kind: 'failed', error: failureOf(failure) });
    this.jobs.clear();
    this.options.onChange();
  }
}

/** How the end of a thread is told to those who waited for it. */
export function failureOf(thrown: unknown): Error {
  const code = thrown instanceof Error && 'code' in thrown ? thrown.code : null;
  if (code === 'ERR_WORKER_OUT_OF_MEMORY') return new SystemError('ENOMEM', 'work on', 'a frame', thrown);
  if (code === 'ERR_WORKER_INIT_FAILED')
    return new SystemError('EAGAIN', 'start', 'a thread for frames', thrown);
  return asError(thrown);
}
