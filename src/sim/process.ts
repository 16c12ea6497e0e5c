/**
 * A process of a simulated machine. Whatever its code asks of the world goes through `call`, `wait` or `post`, which end with
 * the process: a killed one never hears an answer again, so none of its `finally` blocks run. That is `kill -9`.
 */
import { assert } from '../base/assert.ts';
import { asError } from '../base/errors.ts';
import type { ExitStatus, ProcessIdentity } from '../env/processes.ts';
import { failureOf } from './call-watch.ts';
import type { ProcFile } from './env/proc-files.ts';
import type { Machine } from './machine.ts';

export interface CallOptions {
  /** Simulated milliseconds that the act takes. */
  readonly costMs?: number;
  /** How long it is put off. */
  readonly delayMs?: number;
  /** Rejects at once with its reason; the act is not done then. */
  readonly signal?: AbortSignal | undefined;
  /** The file or address that the call is about. */
  readonly subject?: string;
}

const COST_MS = 0.02;

export class SimProcess {
  readonly machine: Machine;
  readonly identity: ProcessIdentity;
  readonly args: readonly string[];
  /** What program it is and of which site, for hashes, traces and places of faults: stable across runs. */
  readonly label: string;
  /** What the process shows under `/proc/PID/`. */
  readonly procFiles: Map<string, ProcFile> = new Map();
  /** Called when the process is stopped, and when it goes on; null for programs that nobody stops. */
  onStopped: ((isStopped: boolean) => void) | null = null;
  #exit: ExitStatus | null = null;
  readonly #onExit: (() => void)[] = [];

  constructor(machine: Machine, identity: ProcessIdentity, args: readonly string[], label: string) {
    this.machine = machine;
    this.identity = identity;
    this.args = args;
    this.label = label;
  }

  get isAlive(): boolean {
    return this.#exit === null;
  }
  get exit(): ExitStatus | null {
    return this.#exit;
  }

  /** Does `act` at some later step. @throws what `act` throws. */
  call<T>(site: string, act: () => T, options: CallOptions = {}): Promise<T> {
    return this.wait(site, (done) => done(act), options);
  }

  /**
   * Begins at once, and goes on when `done` is called, then or at any time after: at some step after that the call settles with
   * what the act returns or throws.
   */
  wait<T>(
    site: string,
    begin: (done: (act: () => T) => void) => void,
    options: CallOptions = {},
  ): Promise<T> {
    const { signal, delayMs = 0, costMs = COST_MS, subject = '' } = options;
    if (signal?.aborted === true) return Promise.reject(asError(signal.reason));
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const aim = this.machine.calls.meet(this.label, site, subject);
    if (aim === 'crash-before') {
      this.machine.kill(this);
      return promise;
    }
    let isPending = true;
    const isWanted = (): boolean => isPending && this.isAlive;
    const onAbort = (): void => {
      if (!isWanted()) return;
      isPending = false;
      reject(asError(signal?.reason));
    };
    signal?.addEventListener('abort', onAbort);
    const settle = (act: () => T): void => {
      isPending = false;
      signal?.removeEventListener('abort', onAbort);
      try {
        const value = act();
        if (aim === 'crash-after') this.machine.kill(this);
        if (aim === 'answer-lost') throw failureOf(site, subject);
        // The act itself may have ended the process: then nobody hears of it.
        if (this.isAlive) resolve(value);
      } catch (error) {
        if (this.isAlive) reject(error);
      }
    };
    let isDone = false;
    const start = aim === 'fail' ? failing<T>(site, subject) : begin;
    start((act) => {
      assert(!isDone, 'a call is answered once');
      isDone = true;
      const { scheduler } = this.machine;
      scheduler.park({ site, actor: this.label, costMs, delayMs, isWanted, run: () => settle(act) });
    });
    return promise;
  }

  /** Calls into the process's code at some later step. */
  post(site: string, run: () => void, delayMs = 0): void {
    const { scheduler } = this.machine;
    scheduler.park({ site, actor: this.label, costMs: COST_MS, delayMs, isWanted: () => this.isAlive, run });
  }

  /** What the system does when the process ends, however it ends. */
  onExit(act: () => void): void {
    assert(this.isAlive, 'the process lives');
    this.#onExit.push(act);
  }

  end(exit: ExitStatus): void {
    if (this.#exit !== null) return;
    this.#exit = exit;
    for (const act of this.#onExit.splice(0).toReversed()) act();
  }
}

/** A call that fails without having done anything. */
function failing<T>(site: string, subject: string): (done: (act: () => T) => void) => void {
  return (done) =>
    done(() => {
      throw failureOf(site, subject);
    });
}
