/**
 * A process of a simulated machine. Whatever its code asks of the world goes through `call`, `wait` or `post`, which end with
 * the process: a killed one never hears an answer again, so none of its `finally` blocks run. That is `kill -9`.
 */
import { assert, defined } from '../base/assert.ts';
import { asError } from '../base/errors.ts';
import type { ExitStatus, ProcessIdentity } from '../env/processes.ts';
import { failureOf } from './call-watch.ts';
import type { ProcFile } from './env/proc-files.ts';
import { SIM_UID } from './env/sim-host.ts';
import type { Machine } from './machine.ts';
import type { AimKind } from './plan.ts';
import type { Task } from './scheduler.ts';

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
  /** What program it is and of which site, for hashes, traces and places of faults: stable across runs. */
  readonly label: string;
  /** Who started it; null for what nobody's program did. */
  parent: SimProcess | null = null;
  /** Its working directory, which `/proc/PID/cwd` leads to. */
  cwd = '/';
  /** Whom it runs as, and its network namespace, which is '' where nobody put it elsewhere: both as whoever started it. */
  uid: number = SIM_UID;
  namespace = '';
  #args: readonly string[];
  #root = '/';
  /** What the process shows under `/proc/PID/`. */
  readonly procFiles: Map<string, ProcFile> = new Map();
  /** Called when the process is stopped, and when it goes on; null for programs that nobody stops. */
  onStopped: ((isStopped: boolean) => void) | null = null;
  #exit: ExitStatus | null = null;
  readonly #onExit: (() => void)[] = [];

  constructor(machine: Machine, identity: ProcessIdentity, args: readonly string[], label: string) {
    this.machine = machine;
    this.identity = identity;
    this.#args = args;
    this.label = label;
  }

  get args(): readonly string[] {
    return this.#args;
  }
  /** The folder that is its root directory. */
  get root(): string {
    return this.#root;
  }

  /** Another program in its place, locked into a folder: what it sees of the machine, and the machine of it. */
  becomes(args: readonly string[], { root, uid }: { readonly root: string; readonly uid: number }): void {
    this.#args = args;
    this.#root = root;
    this.uid = uid;
    this.cwd = '/';
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
    if (options.signal?.aborted === true) return Promise.reject(asError(options.signal.reason));
    const call = new Call<T>(this, site, options);
    const done = (act: () => T): void => call.done(act);
    if (call.aim === 'crash-before') this.machine.kill(this);
    else if (call.aim === 'fail') done(() => call.fail());
    else begin(done);
    return call.answer;
  }

  /** Calls into the process's code at some later step. */
  post(site: string, run: () => void, delayMs = 0): void {
    const isWanted = (): boolean => this.isAlive;
    this.machine.scheduler.park({ site, actor: this.label, costMs: COST_MS, isWanted, run }, delayMs);
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

/** A call from its beginning to its answer, which never comes when its process has ended. */
class Call<T> implements Task {
  readonly site: string;
  readonly costMs: number;
  /** What happens to it beside. */
  readonly aim: AimKind | null;
  readonly #process: SimProcess;
  readonly #options: CallOptions;
  readonly #answer: PromiseWithResolvers<T> = Promise.withResolvers<T>();
  #act: (() => T) | null = null;
  #isPending = true;
  readonly #onAbort: (() => void) | null;

  constructor(process: SimProcess, site: string, options: CallOptions) {
    this.#process = process;
    this.site = site;
    this.#options = options;
    this.costMs = options.costMs ?? COST_MS;
    this.aim = process.machine.calls.meet(process.label, site, options.subject ?? '');
    this.#onAbort = options.signal === undefined ? null : () => this.#abort();
    if (this.#onAbort !== null) options.signal?.addEventListener('abort', this.#onAbort);
  }

  get actor(): string {
    return this.#process.label;
  }
  get answer(): Promise<T> {
    return this.#answer.promise;
  }

  /** It goes on by `act`, at some step from now on. */
  done(act: () => T): void {
    assert(this.#act === null, 'a call is answered once');
    this.#act = act;
    this.#process.machine.scheduler.park(this, this.#options.delayMs ?? 0);
  }

  /** @throws SystemError as a call does that has done nothing, or of whose doing nobody hears. */
  fail(): never {
    throw failureOf(this.site, this.#options.subject ?? '');
  }

  isWanted(): boolean {
    return this.#isPending && this.#process.isAlive;
  }

  run(): void {
    const act = defined(this.#act, 'what the call does');
    this.#isPending = false;
    if (this.#onAbort !== null) this.#options.signal?.removeEventListener('abort', this.#onAbort);
    try {
      const value = act();
      if (this.aim === 'crash-after') this.#process.machine.kill(this.#process);
      if (this.aim === 'answer-lost') this.fail();
      // The act itself may have ended the process: then nobody hears of it.
      if (this.#process.isAlive) this.#answer.resolve(value);
    } catch (error) {
      if (this.#process.isAlive) this.#answer.reject(error);
    }
  }

  #abort(): void {
    if (!this.isWanted()) return;
    this.#isPending = false;
    this.#answer.reject(asError(this.#options.signal?.reason));
  }
}
