import { KelpieError } from '../base/errors.ts';
import type { Clock } from '../env/clock.ts';
import type { Env } from '../env/env.ts';
import type { ExitStatus, ProcessIdentity } from '../env/processes.ts';
import { isSettledWithin } from './bounded.ts';
import { KILL_TIMEOUT_MS } from './limits.ts';

/** The process that a VM runs in: a child, or one that another daemon started. */
export interface VmmProcess {
  readonly identity: ProcessIdentity;
  /** Resolves when the process has ended, however it did; with null when it was adopted, since only a parent learns the status. */
  readonly ended: Promise<ExitStatus | null>;
  /** True once `ended` has resolved. */
  readonly hasEnded: () => boolean;
  /** SIGKILL; resolves when it has ended. @throws KelpieError `vm_backend_failed` when it does not. */
  end(): Promise<void>;
}

/** What both a child and an adopted process are. */
export interface ProcessHandle {
  readonly identity: ProcessIdentity;
  wait(): Promise<ExitStatus | void>;
  kill(signal: 'SIGKILL'): void;
}

export class SupervisedProcess implements VmmProcess {
  readonly identity: ProcessIdentity;
  readonly ended: Promise<ExitStatus | null>;
  readonly #clock: Clock;
  readonly #handle: ProcessHandle;
  readonly #name: string;
  #hasEnded = false;

  /** @param name of the program, for sentences. */
  constructor(clock: Clock, handle: ProcessHandle, name: string) {
    this.#clock = clock;
    this.#handle = handle;
    this.#name = name;
    this.identity = handle.identity;
    this.ended = handle.wait().then((status) => {
      this.#hasEnded = true;
      return status ?? null;
    });
  }

  readonly hasEnded = (): boolean => this.#hasEnded;

  async end(): Promise<void> {
    if (this.#hasEnded) return;
    this.#handle.kill('SIGKILL');
    if (await isSettledWithin(this.#clock, this.ended, KILL_TIMEOUT_MS)) return;
    throw new KelpieError(
      'vm_backend_failed',
      `${this.#name} (process ${this.identity.pid}) does not end even when killed; the host's disk may hang.`,
    );
  }
}

/** Ends a process that no instance knows; waits for it, within bounds. */
export async function endOrphan(
  { clock, processes }: Pick<Env, 'clock' | 'processes'>,
  identity: ProcessIdentity,
): Promise<void> {
  const orphan = await processes.adopt(identity);
  if (orphan === null) return;
  orphan.kill('SIGKILL');
  await isSettledWithin(clock, orphan.wait(), KILL_TIMEOUT_MS);
}
