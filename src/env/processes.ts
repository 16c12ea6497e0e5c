import type { Bytes } from '../base/bytes.ts';

export interface SpawnOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  /** The whole environment; absent: this process's own. */
  readonly environment?: Readonly<Record<string, string>>;
  /**
   * `ignore`: no streams. `capture`: stdout and stderr are read by the caller. A path: both are appended to that file,
   * so that a process that outlives us still has somewhere to write.
   */
  readonly output: 'ignore' | 'capture' | { readonly path: string };
  /** What the child reads on stdin; absent: nothing. With `pipe` the caller writes by `Child.stdin`. */
  readonly stdin?: 'pipe';
  /** The child lives on when this process ends, in a session of its own. Not with `capture`. */
  readonly detached?: boolean;
}

export type ExitStatus = { readonly code: number } | { readonly signal: string };

/** A process by its number and its start, so that a recycled number is never mistaken for it. */
export interface ProcessIdentity {
  readonly pid: number;
  /** The kernel's start time of it, opaque. */
  readonly startedAt: string;
}

export interface Child {
  readonly identity: ProcessIdentity;
  /** With `capture`; else empty. For one consumer; ending it early closes the pipe. At most 128 KiB is read ahead of it. */
  readonly stdout: AsyncIterable<Bytes>;
  readonly stderr: AsyncIterable<Bytes>;
  /** With `stdin: 'pipe'`; else null. */
  readonly stdin: { write(bytes: Bytes): Promise<void>; end(): Promise<void> } | null;
  /**
   * Resolves when the process has ended and was reaped. May be awaited by many. A pending `wait` keeps this process
   * alive; a detached child that nobody waits for does not.
   */
  wait(): Promise<ExitStatus>;
  /** No error when it has ended already. */
  kill(signal: 'SIGTERM' | 'SIGKILL' | 'SIGINT'): void;
}

/** A process that is not our child, found again after a restart. */
export interface AdoptedProcess {
  readonly identity: ProcessIdentity;
  /** Resolves within `ADOPTED_POLL_MS_MAX` after the process has ended. */
  wait(): Promise<void>;
  /** `SIGCONT`: lets it go on when it was stopped. */
  kill(signal: 'SIGTERM' | 'SIGKILL' | 'SIGCONT'): void;
}

/** How late the end of an adopted process may be noticed, in milliseconds. */
export const ADOPTED_POLL_MS_MAX = 500;

export interface Processes {
  /** Resolves when the program was started. @throws SystemError `ENOENT`, `EACCES` … with the program or folder to blame. */
  spawn(options: SpawnOptions): Promise<Child>;
  /** Null when no process has this number and start. */
  adopt(identity: ProcessIdentity): Promise<AdoptedProcess | null>;
  /** True while the process exists (a zombie does not). */
  isAlive(identity: ProcessIdentity): Promise<boolean>;
  /** The command lines of this user's processes, for finding orphans. */
  list(): Promise<readonly { readonly identity: ProcessIdentity; readonly args: readonly string[] }[]>;
}
