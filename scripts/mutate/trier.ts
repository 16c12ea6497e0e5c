/** The process that tries mutants, from its parent's side. */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { afterSeen } from './patience.ts';
import { answerSchema } from './trial.ts';
import type { Answer, Question } from './trial.ts';

/** Of its last words. */
const WORDS_MAX = 2000;

export class Trier {
  readonly #child: ChildProcess;
  #words = '';

  /** @param environment with the sources that have the mutants. */
  constructor(environment: Readonly<Record<string, string>>) {
    this.#child = fork(join(import.meta.dirname, 'worker.ts'), [], {
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#words = (this.#words + text).slice(-WORDS_MAX);
    });
  }

  get words(): string {
    return this.#words;
  }

  /** `ended`: the process did; `late`: it has not answered, and is of no use any more. */
  async ask(question: Question, timeoutMs: number): Promise<Answer | 'ended' | 'late'> {
    const { promise, resolve } = Promise.withResolvers<Answer | 'ended' | 'late'>();
    const onMessage = (answer: unknown): void => resolve(answerSchema.parse(answer));
    const onExit = (): void => resolve('ended');
    const endWait = afterSeen(timeoutMs, () => resolve('late'));
    this.#child.once('message', onMessage);
    this.#child.once('exit', onExit);
    if (!this.#child.connected) resolve('ended');
    else this.#child.send(question, (error) => error !== null && resolve('ended'));
    try {
      return await promise;
    } finally {
      endWait();
      this.#child.off('message', onMessage);
      this.#child.off('exit', onExit);
    }
  }

  /** Ends the process. */
  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = Promise.withResolvers<void>();
    this.#child.once('exit', () => gone.resolve());
    this.#child.kill('SIGKILL');
    await gone.promise;
  }
}
